// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0308: mismatched types

//! Writing on a stopped machine whose CPUs do not flush before they go on.

use riscv::{
    stop_machine::{
        rendezvous::{
            Met,
            Work, //
        },
        Stop,
        Stopped, //
    },
    text::commit::ForMaster, //
};

#[cfg(misuse)]
pub fn misuse(batch: &mut ForMaster<'_, '_>, stopped: &Stopped<'_>) {
    let _ = batch.write_stopped(stopped);
}

pub struct Nothing;

impl Stop for Nothing {
    fn run(&self, _stopped: &Stopped<'_>) {}
}

pub struct Right<'e, 'w>(ForMaster<'e, 'w>);

impl Work for Right<'_, '_> {
    fn master(&mut self, met: &Met<'_>) {
        let _ = self.0.write_stopped(met);
    }
}
