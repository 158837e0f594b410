// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0423: cannot initialize a tuple struct which contains private fields

//! Creates a `Running`, the proof that work was started, without starting it.

use riscv::barrier::cancel::{
    Cancel,
    Running, //
};

fn work(_proof: &Running<'_>) {}

pub fn misuse() {
    let mut shared = Cancel::new();

    #[cfg(misuse)]
    work(&Running(&shared));
    let (mut worker, _canceller) = shared.split();
    let running = worker.start();
    if let Some(running) = &running {
        work(running);
    }
}
