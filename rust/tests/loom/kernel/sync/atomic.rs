// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::atomic`, by loom's atomics.

use std::{
    cell::{
        Cell,
        OnceCell, //
    },
    panic::Location,
    rc::Rc,
    sync::atomic::Ordering,
    thread::panicking, //
};

use loom::sync::atomic::{
    fence,
    AtomicU64, //
};

use loom_core::{
    pool::take,
    weaken::order_at, //
};

/// An ordering as a type.
pub trait AnyOrdering {
    /// The ordering of the standard library.
    const ORDERING: Ordering;
}

macro_rules! orderings {
    ($($name:ident: $ordering:ident;)*) => {
        $(
            pub struct $name;

            impl AnyOrdering for $name {
                const ORDERING: Ordering = Ordering::$ordering;
            }
        )*
    };
}

orderings! {
    Relaxed: Relaxed;
    Acquire: Acquire;
    Release: Release;
    Full: AcqRel;
}

/// The types that an atomic can hold.
pub trait AtomicType: Copy {
    fn into_bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

impl AtomicType for bool {
    fn into_bits(self) -> u64 {
        self.into()
    }

    fn from_bits(bits: u64) -> Self {
        bits != 0
    }
}

macro_rules! atomic_types {
    ($($ty:ty),*) => {
        $(impl AtomicType for $ty {
            fn into_bits(self) -> u64 {
                self as u64
            }

            fn from_bits(bits: u64) -> Self {
                bits as $ty
            }
        })*
    };
}

atomic_types!(i8, i16, i32, i64, isize, u32, u64, usize);

/// An atomic. That of loom is created on first use.
pub struct Atomic<T: AtomicType> {
    initial: Cell<T>,
    loom: OnceCell<Rc<AtomicU64>>,
}

// SAFETY: All accesses go through loom, which runs one thread at a time.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}
// SAFETY: All accesses go through loom, which runs one thread at a time.
unsafe impl<T: AtomicType> Send for Atomic<T> {}

impl<T: AtomicType> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Atomic {
            initial: Cell::new(value),
            loom: OnceCell::new(),
        }
    }

    #[track_caller]
    fn loom(&self) -> &AtomicU64 {
        self.loom
            .get_or_init(|| take(self.initial.get().into_bits()))
    }

    pub fn get_mut(&mut self) -> &mut T {
        if let Some(mut loom) = self.loom.take() {
            // The only reference: each is taken from the pool once.
            let loom = Rc::get_mut(&mut loom).unwrap();

            self.initial.set(T::from_bits(loom.with_mut(|bits| *bits)));
        }
        self.initial.get_mut()
    }

    #[track_caller]
    pub fn load<O: AnyOrdering>(&self, _: O) -> T {
        T::from_bits(self.loom().load(ordering::<O>("load")))
    }

    #[track_caller]
    pub fn store<O: AnyOrdering>(&self, value: T, _: O) {
        self.loom().store(value.into_bits(), ordering::<O>("store"));
    }

    #[track_caller]
    pub fn xchg<O: AnyOrdering>(&self, value: T, _: O) -> T {
        let value = value.into_bits();

        T::from_bits(update(ordering::<O>("xchg"), |order| {
            self.loom().swap(value, order)
        }))
    }

    #[track_caller]
    pub fn add(&self, value: T, _: Relaxed) {
        self.fetch_add(value, Relaxed);
    }

    #[track_caller]
    pub fn fetch_add<O: AnyOrdering>(&self, value: T, _: O) -> T {
        let value = value.into_bits();

        T::from_bits(update(ordering::<O>("fetch_add"), |order| {
            self.loom().fetch_add(value, order)
        }))
    }
}

impl<T: AtomicType> Drop for Atomic<T> {
    fn drop(&mut self) {
        // Loom reports a use that is not ordered before this.
        if !panicking() {
            self.get_mut();
        }
    }
}

/// The ordering `O` of an operation in the caller's caller, or what it is weakened to.
#[track_caller]
fn ordering<O: AnyOrdering>(what: &str) -> Ordering {
    let at = Location::caller();

    order_at(
        at.file(),
        at.line(),
        &format!("{what} {:?}", O::ORDERING),
        O::ORDERING,
    )
}

/// Runs a read-modify-write operation; a fully ordered one has a full barrier before and after it.
pub fn update(order: Ordering, operation: impl FnOnce(Ordering) -> u64) -> u64 {
    let full = order == Ordering::AcqRel;

    if full {
        fence(Ordering::SeqCst);
    }
    let old = operation(order);
    if full {
        fence(Ordering::SeqCst);
    }
    old
}
