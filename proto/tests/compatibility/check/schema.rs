//! `.proto` files in, descriptors out; and the text form that a release is kept in.
//!
//! The text form is Protobuf's own (`google.protobuf.FileDescriptorSet` as `.txtpb`), so that a release can be reviewed
//! as a diff, and other tools can read it: `protoc --encode=google.protobuf.FileDescriptorSet` gives the binary form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use protox::prost::Message;
use protox::prost_reflect::text_format::FormatOptions;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::Fallible;

/// `.proto` files in memory: name → text.
pub type Sources = BTreeMap<String, String>;

/// Reads all `.proto` files under `root`'s `crossover/`; their names are relative to `root`.
pub fn read_sources(root: &Path) -> Fallible<Sources> {
    let mut sources = Sources::new();
    let mut directories = vec![root.join("crossover")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
                sources.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(sources)
}

/// Compiles all files; comments are left out.
pub fn compile(sources: &Sources) -> Fallible<DescriptorPool> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(InMemory(sources.clone()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    for name in sources.keys() {
        compiler.open_file(name)?;
    }
    Ok(compiler.descriptor_pool())
}

/// The text form of a schema: equal schemas have equal texts.
pub fn to_text(schema: &DescriptorPool) -> Fallible<String> {
    let set = DynamicMessage::decode(descriptor_set()?, schema.encode_to_vec().as_slice())?;
    let options = FormatOptions::new().pretty(true);
    Ok(set.to_text_format_with_options(&options) + "\n")
}

/// Reads the text form back.
pub fn from_text(text: &str) -> Fallible<DescriptorPool> {
    let set = DynamicMessage::parse_text_format(descriptor_set()?, text)?;
    Ok(DescriptorPool::decode(set.encode_to_vec().as_slice())?)
}

fn descriptor_set() -> Fallible<MessageDescriptor> {
    let pool = DescriptorPool::global();
    let found = pool.get_message_by_name("google.protobuf.FileDescriptorSet");
    found.ok_or_else(|| "prost-reflect has no google.protobuf.FileDescriptorSet".into())
}

struct InMemory(Sources);

impl FileResolver for InMemory {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = self.0.get(name).ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, source)
    }
}
