// SPDX-License-Identifier: GPL-2.0

//! Compiles C for the models, and configures the Rust sources for Linux 7.3.
//!
//! The helpers are compiled in place. `scripts/litmus.py` copies the functions of the kernel with
//! our hooks that are needed into the folder `LOOM_HOOKS`; without it, there are no hooks.

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

/// Compiles a file with `c/linux.h` in place of all headers except those in its own folder.
fn compile(source: &Path, out: &Path, hooks: bool) {
    let object = out.join(source.file_stem().unwrap()).with_extension("o");

    println!("cargo:rerun-if-changed={}", source.display());
    for line in fs::read_to_string(source).unwrap().lines() {
        stand_in(line, out);
    }
    // For `helpers.h`, which is in the folder of the helpers.
    stand_in("#include <linux/types.h>", out);

    // Panics unwind through C: they end the process that a weakened model runs in. The functions
    // that the thread sanitizer calls are ours, in `plain.rs`; its library is not linked.
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

/// Creates a replacement for a header of the kernel.
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
