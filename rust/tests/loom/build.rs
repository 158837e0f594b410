// SPDX-License-Identifier: GPL-2.0

//! Compiles C for the models, and makes the Rust sources take what they take with Linux 7.3.
//!
//! The helpers are taken from where they are. Of the kernel with our hooks, `scripts/litmus.py` puts
//! the functions that are needed into the folder that `LOOM_HOOKS` names; without it, there are no
//! hooks here.

use std::{
    env, fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
};

const HELPERS: [&str; 2] = ["guard", "rendezvous"];
const HOOKED: [&str; 2] = ["patch", "fault"];

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let hooks = env::var("LOOM_HOOKS").ok().map(PathBuf::from);

    println!("cargo:rustc-cfg=rust_riscv_barriers");
    println!("cargo:rerun-if-env-changed=LOOM_HOOKS");
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rerun-if-changed=c/linux.h");
    for helper in HELPERS {
        compile(
            Path::new(&format!("../../helpers/{helper}.c")),
            &out,
            hooks.is_some(),
        );
    }
    if let Some(hooks) = hooks {
        println!("cargo:rustc-cfg=rust_riscv_text_hooks");
        println!("cargo:rustc-cfg=rust_riscv_fault_hook");
        for name in HOOKED {
            compile(&hooks.join(format!("{name}.c")), &out, true);
        }
    }
}

/// Compiles a file whose headers are all `c/linux.h`, but for those beside it.
fn compile(source: &Path, out: &Path, hooks: bool) {
    let object = out.join(source.file_stem().unwrap()).with_extension("o");

    println!("cargo:rerun-if-changed={}", source.display());
    for line in fs::read_to_string(source).unwrap().lines() {
        stand_in(line, out);
    }
    // The one that the helpers have beside them.
    stand_in("#include <linux/types.h>", out);

    // Panics go through C: they end the process that a weakened model runs in. The sanitizer's calls
    // are ours, `plain.rs`: without its library they are all there is of it.
    let status = Command::new(env::var("CC").unwrap_or("cc".into()))
        .args([
            "-c",
            "-g",
            "-O1",
            "-Wall",
            "-fexceptions",
            "-fsanitize=thread",
            "-I",
            "c",
            "-I",
        ])
        .arg(out)
        .args(hooks.then_some("-DRUST_RISCV_TEXT_HOOKS"))
        .arg("-o")
        .arg(&object)
        .arg(source)
        .status()
        .unwrap();
    assert!(status.success(), "{} does not compile", source.display());
    println!("cargo:rustc-link-arg={}", object.display());
}

/// In the place of a header of the kernel's.
fn stand_in(line: &str, out: &Path) {
    let Some(name) = line
        .strip_prefix("#include <")
        .and_then(|line| line.strip_suffix('>'))
    else {
        return;
    };
    let header = out.join(name);

    fs::create_dir_all(header.parent().unwrap()).unwrap();
    fs::write(header, "#include \"linux.h\"\n").unwrap();
}
