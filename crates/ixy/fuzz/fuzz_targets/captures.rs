//! A capture of any content: reading it ends, with the same result whether it is compressed or not.
#![no_main]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ixy_pcap::{MAX_RECORD, Reader};
use libfuzzer_sys::fuzz_target;

/// All records of a capture, with time and length on the wire, and how it ends.
fn read(bytes: &[u8]) -> (Vec<(u64, u32, Vec<u8>)>, Option<String>) {
    let mut records = Vec::new();
    let mut reader = match Reader::new(bytes, "capture") {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error.to_string())),
    };
    loop {
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => return (records, None),
            Err(error) => {
                assert!(!reader.advance().unwrap() && reader.record().is_none(), "an error is the end");
                return (records, Some(error.to_string()));
            }
        }
        let record = reader.record().unwrap();
        assert!(record.data.len() <= MAX_RECORD as usize);
        records.push((record.time, record.original, record.data.to_vec()));
        assert_eq!(reader.records(), records.len() as u64);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let plain = read(bytes);
    if let Some(error) = &plain.1 {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // Input that is compressed already is left as it is.
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        let packed = read(&packed.finish().unwrap());
        assert_eq!(packed.0, plain.0);
        assert_eq!(packed.1.is_some(), plain.1.is_some(), "{packed:?} {plain:?}");
    }
});
