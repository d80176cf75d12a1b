//! The archive that a kernel unpacks into its first file system: cpio in the "newc" format, described in the
//! kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

/// An archive that grows file by file.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

impl Archive {
    /// Adds a directory; its parent must exist.
    pub(crate) fn directory(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[]);
    }

    /// Adds a program or another file.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_755, content);
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.files += 1;
        let len = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        // Inode, mode, user, group, links, time, size, device and special device numbers, name size with its zero, sum.
        let (size, name) = (len(content.len()), len(path.len() + 1));
        let fields = [self.files, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
        self.bytes.extend(b"070701");
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08X}").bytes()));
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    /// Names and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_headers_of_110_bytes_and_parts_at_multiples_of_four() {
        let mut archive = Archive::default();
        archive.directory("a");
        archive.file("a/bcd", b"hello");
        let bytes = archive.finish();
        // 110 + "a\0", then 110 + "a/bcd\0" + "hello" and padding, then the end.
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[14..22], b"000041ED", "a directory with mode 755");
        assert_eq!(&bytes[112..118], b"070701");
        let second = &bytes[112..];
        assert_eq!(&second[54..62], b"00000005");
        assert_eq!(&second[94..102], b"00000006");
        assert_eq!(&second[110..121], b"a/bcd\0hello");
        assert_eq!(&second[124..130], b"070701");
        assert_eq!(&second[124 + 110..124 + 121], b"TRAILER!!!\0");
        assert_eq!(bytes.len() % 4, 0);
    }
}
