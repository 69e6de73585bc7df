//! The formats of macOS installers that no package of Debian's writes, by libraries that do:
//!
//!     mlxr-pack bom FOLDER OUT        a bill of materials of FOLDER, all of it root's
//!     mlxr-pack xar FOLDER OUT        a xar archive of FOLDER; what is compressed already (Payload, Scripts) is stored as it is
//!     mlxr-pack dmg PARTITION OUT     a compressed disk image of an HFS+ partition, named after PARTITION's file
//!
//! The same input gives the same bytes. Exit status 1 and a sentence on stderr when something fails; OUT is then not whole.

use std::error::Error;
use std::path::Path;
use std::{env, fs, process};

use embala_pkg::{XarEntry, XarEntryKind};
use udif::{CompressionMethod, DmgBuilder};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

enum Node {
    File(Vec<u8>),
    Folder(Vec<(String, Node)>),
}

/// What is in a folder, in the order of its names.
fn read(folder: &Path) -> Result<Vec<(String, Node)>> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    entries.iter().map(|entry| {
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
        let path = entry.path();
        let node = if path.is_dir() { Node::Folder(read(&path)?) } else { Node::File(fs::read(&path)?) };
        Ok((name, node))
    }).collect()
}

fn xar_entries(nodes: &[(String, Node)]) -> Vec<XarEntry<'_>> {
    nodes.iter().map(|(name, node)| XarEntry {
        name,
        kind: match node {
            Node::File(data) => XarEntryKind::File { data, mode: 0o644, store: name == "Payload" || name == "Scripts" },
            Node::Folder(children) => XarEntryKind::Directory { mode: 0o755, children: xar_entries(children) },
        },
    }).collect()
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["bom", folder, out] => fs::write(out, embala_pkg::write_bom(Path::new(folder), 0, 0)?)?,
        ["xar", folder, out] => embala_pkg::write_xar(&xar_entries(&read(Path::new(folder))?), fs::File::create(out)?)?,
        ["dmg", partition, out] => {
            let name = Path::new(partition).file_name().and_then(|name| name.to_str()).ok_or("the partition has no name")?;
            DmgBuilder::new().compression(CompressionMethod::Zlib).add_partition(name, fs::read(partition)?).build(out)?
        }
        _ => return Err("usage: mlxr-pack bom FOLDER OUT | xar FOLDER OUT | dmg PARTITION OUT".into()),
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Err(error) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        eprintln!("mlxr-pack: {error}");
        process::exit(1);
    }
}
