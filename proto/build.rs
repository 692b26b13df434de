//! Compiles the `.proto` files with `protox`, so that no `protoc` is needed on the machine.

use std::error::Error;

const FILES: [&str; 4] = [
    "crossover/downstream/v1/downstream.proto",
    "crossover/engine/v1/engine.proto",
    "crossover/event/v1/event.proto",
    "crossover/load/v1/work.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    // Sorted maps: equal messages have equal bytes.
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .compile_fds(descriptors)?;
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    Ok(())
}
