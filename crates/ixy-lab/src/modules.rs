//! Kernel modules and their dependencies.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, error::at};

/// A module file for the guest's kernel.
#[derive(Debug, Clone)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) image: Vec<u8>,
}

/// Reads the modules of one kernel.
#[derive(Debug)]
pub(crate) struct Modules<'a> {
    root: &'a Path,
    busybox: &'a Path,
    files: HashMap<String, PathBuf>,
    built_in: Vec<String>,
}

impl<'a> Modules<'a> {
    /// Looks for the modules below `root`; `busybox` unpacks compressed ones.
    pub(crate) fn below(root: &'a Path, busybox: &'a Path) -> Result<Self, Error> {
        let mut files = HashMap::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).map_err(at(&directory))? {
                let path = entry.map_err(at(&directory))?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if let Some(name) = name(&path) {
                    files.insert(name, path);
                }
            }
        }
        let list = root.join("modules.builtin");
        let built_in = fs::read_to_string(&list).map_err(at(&list))?;
        let built_in = built_in.lines().filter_map(|line| name(Path::new(line))).collect();
        Ok(Self { root, busybox, files, built_in })
    }

    /// The modules `wanted` and their dependencies, in load order; without those built into the kernel.
    pub(crate) fn load_order(&self, wanted: &[&str]) -> Result<Vec<Module>, Error> {
        let mut order = Vec::new();
        for name in wanted {
            self.add(&mut order, name)?;
        }
        Ok(order)
    }

    fn add(&self, order: &mut Vec<Module>, name: &str) -> Result<(), Error> {
        let name = name.replace('-', "_");
        if self.built_in.contains(&name) || order.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let Some(path) = self.files.get(&name) else {
            return Err(Error::NoModule { name, modules: self.root.to_owned() });
        };
        let image = self.read(path)?;
        for dependency in dependencies(&image) {
            self.add(order, &dependency)?;
        }
        order.push(Module { name, image });
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let unpack = match path.extension().and_then(|end| end.to_str()) {
            Some("xz") => "xzcat",
            Some("gz") => "zcat",
            _ => return fs::read(path).map_err(at(path)),
        };
        let output = Command::new(self.busybox).arg(unpack).arg(path).output().map_err(at(self.busybox))?;
        if !output.status.success() {
            let source = std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned());
            return Err(at(path)(source));
        }
        Ok(output.stdout)
    }
}

/// The name of the module in the file `path`: `virtio_net` for `virtio-net.ko.xz`.
fn name(path: &Path) -> Option<String> {
    let (name, _) = path.file_name()?.to_str()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

/// The dependencies of module `image`, from its section `.modinfo`, which is a list of strings with terminating
/// zeros.
fn dependencies(image: &[u8]) -> Vec<String> {
    let line = image.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_module_comes_after_what_it_depends_on_and_once() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, depends: &str| {
            let image = format!("\u{7f}ELF\0license=GPL\0depends={depends}\0name={name}\0");
            fs::write(root.path().join(name), image).unwrap();
        };
        write("top-one.ko", "middle,base,inside");
        write("middle.ko", "base");
        write("base.ko", "");
        fs::write(root.path().join("modules.builtin"), "kernel/net/inside.ko\n").unwrap();
        let modules = Modules::below(root.path(), Path::new("/nonexistent")).unwrap();
        let order = |wanted: &[&str]| -> Vec<String> {
            modules.load_order(wanted).unwrap().into_iter().map(|module| module.name).collect()
        };
        assert_eq!(order(&["top_one", "middle", "inside"]), ["base", "middle", "top_one"]);
        assert_eq!(order(&["middle", "top-one"]), ["base", "middle", "top_one"]);
        let message = modules.load_order(&["absent"]).unwrap_err().to_string();
        assert!(message.contains("no module absent"), "{message}");
    }
}
