// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0499: cannot borrow `worker` as mutable more than once

//! Starts work while it is running.

use riscv::barrier::cancel::Cancel;

pub fn misuse() {
    let mut shared = Cancel::new();
    let (mut worker, _canceller) = shared.split();

    let running = worker.start();
    #[cfg(misuse)]
    let _again = worker.start();
    drop(running);
}
