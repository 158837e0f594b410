// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_window`: the mapping through which text is written.

use kernel::prelude::*;

use riscv::text::{
    look_up,
    window::Window,
    Origin, //
};

use crate::targets::*;

#[kunit_tests(rust_riscv_window)]
mod tests {
    use super::*;

    const W: u64 = 1 << 2;
    const X: u64 = 1 << 3;

    fn bits(addr: usize) -> u64 {
        // SAFETY: The address is in this module's text or in a window that exists.
        unsafe { look_up(addr) }.map_or(0, |found| found.pte.bits())
    }

    #[test]
    fn open_maps_writable_and_close_unmaps() -> Result {
        let mut window = Window::new(4)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        assert!((0..4).all(|n| bits(start + n * 4096) == 0));
        for _ in 0..3 {
            // SAFETY: This module's own text is not freed. The window is closed below.
            let open = unsafe { window.open([page, page + 4096].into_iter(), Origin::Module) }?;
            let seen = [start, start + 4096, start + 8192, page].map(bits);

            // Before the assertions, since a failing one does not drop it.
            drop(open);
            assert_eq!(seen[0] & (W | X), W);
            assert_eq!(seen[1] & (W | X), W);
            assert_eq!(seen[2], 0);
            // The mapping of the text itself does not change.
            assert_eq!(seen[3] & (W | X), X);
            assert!((0..4).all(|n| bits(start + n * 4096) == 0));
        }
        Ok(())
    }

    /// As for a batch that waits for tasks between two of its writes.
    #[test]
    fn closed_while_unmaps_every_alias() -> Result {
        let mut window = Window::new(2)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);
        let aliases = || [bits(start), bits(start + 4096)];
        // SAFETY: This module's own text is not freed. The window is closed below.
        let mut open = unsafe { window.open([page, page + 4096].into_iter(), Origin::Module) }?;
        let (before, mut meanwhile) = (aliases(), [u64::MAX; 2]);

        open.closed_while(|_| meanwhile = aliases());
        let after = aliases();
        drop(open);
        assert_eq!(meanwhile, [0; 2]);
        assert_eq!(after, before);
        assert!(before.iter().all(|entry| entry & (W | X) == W));
        assert_eq!(aliases(), [0; 2]);
        Ok(())
    }

    #[test]
    fn too_many_pages_are_refused() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        // SAFETY: This module's own text is not freed.
        let error = unsafe { window.open([page, page + 4096].into_iter(), Origin::Module) }.err();
        assert_eq!(error, Some(E2BIG));
        assert_eq!(bits(start), 0);
        assert_eq!(Window::new(0).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn pages_without_text_are_refused() -> Result {
        let mut window = Window::new(2)?;
        let start = window.pages().start;
        let data = core::ptr::from_ref(&window).addr() & !(kernel::page::PAGE_SIZE - 1);
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        // SAFETY: This module's own text is not freed. The other page is refused.
        let error = unsafe { window.open([page, data].into_iter(), Origin::Module) }.err();
        assert_eq!(error, Some(EFAULT));
        assert_eq!(bits(start), 0);
        Ok(())
    }
}
