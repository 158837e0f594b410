// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0277: `*const u32` cannot be sent between threads safely

//! Sends a value to another thread whose type is not `Send`.

use kernel::prelude::*;
use riscv::{
    barrier::message::Message,
    thread::pair, //
};

#[cfg(misuse)]
type Content = *const u32;
#[cfg(not(misuse))]
type Content = u32;

pub fn misuse() -> Result {
    let mut room = Message::<Content>::new();
    let (_sender, mut receiver) = room.split();

    pair(
        [0, 1],
        || (),
        || {
            let _ = receiver.receive();
        },
    )
}
