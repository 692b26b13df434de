//! Tells the tests whether this machine can run Kafka, so that those that need it are counted as ignored, with the reason.

#[path = "../on_path.rs"]
mod on_path;

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../on_path.rs");
    println!("cargo::rustc-check-cfg=cfg(can_run_kafka)");
    if ["java", "keytool", "mvn"]
        .iter()
        .all(|program| on_path::find(program).is_some())
    {
        println!("cargo::rustc-cfg=can_run_kafka");
    }
}
