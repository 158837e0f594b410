// SPDX-License-Identifier: GPL-2.0

//! Tests of SBI errors and sets of harts. The expected values are from the SBI specification,
//! "Binary Encoding" and "Hart list parameter".

use crate::sbi::{
    error::SbiError,
    hart_mask::{
        HartId,
        Harts, //
    }, //
};

#[test]
fn error_codes_match_the_specification() {
    let expected = [
        (-1, SbiError::Failed),
        (-2, SbiError::NotSupported),
        (-3, SbiError::InvalidParam),
        (-4, SbiError::Denied),
        (-5, SbiError::InvalidAddress),
        (-6, SbiError::AlreadyAvailable),
        (-7, SbiError::AlreadyStarted),
        (-8, SbiError::AlreadyStopped),
        (-9, SbiError::NoSharedMemory),
        (-10, SbiError::InvalidState),
        (-11, SbiError::BadRange),
        (-12, SbiError::Timeout),
        (-13, SbiError::Io),
        (-14, SbiError::DeniedLocked),
    ];

    assert_eq!(SbiError::check(0), Ok(()));
    for (code, error) in expected {
        assert_eq!(SbiError::check(code), Err(error));
    }
}

#[test]
fn unknown_error_codes() {
    for code in [1, -15, -128, -129, 256 - 1, isize::MIN, isize::MAX] {
        assert_eq!(SbiError::check(code), Err(SbiError::Unknown));
    }
}

fn set(harts: &[usize]) -> Option<Harts> {
    let mut set = Harts::one(HartId(harts[0]));

    for &hart in &harts[1..] {
        set = set.with(HartId(hart))?;
    }
    Some(set)
}

/// Returns the harts that the arguments of a call select: the bits of the mask, from the base.
fn named(set: Harts) -> Vec<usize> {
    let [mask, base] = set.arguments();

    (0..64)
        .filter(|bit| mask >> bit & 1 != 0)
        .map(|bit| base + bit)
        .collect()
}

#[test]
fn mask_and_base_select_the_harts() {
    for harts in [
        &[0][..],
        &[5],
        &[0, 1, 2, 3],
        &[3, 2, 1, 0],
        &[7, 7],
        &[100, 90, 110],
        &[0, 63],
        &[63, 0],
        &[usize::MAX - 1, usize::MAX],
    ] {
        let mut expected = harts.to_vec();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(named(set(harts).unwrap()), expected);
    }
}

#[test]
fn harts_too_far_apart_are_refused() {
    assert_eq!(set(&[0, 64]), None);
    assert_eq!(set(&[64, 0]), None);
    assert_eq!(set(&[10, 73, 9]), None);
    assert_eq!(set(&[0, usize::MAX]), None);
    assert_eq!(set(&[usize::MAX, 0]), None);
}
