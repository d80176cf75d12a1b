//! The allowed accesses to a register, as types: [`Reg`] has exactly the methods that its access kind permits.

use core::marker::PhantomData;

use tock_registers::fields::{Field, FieldValue};
use tock_registers::{LocalRegisterCopy, RegisterLongName, UIntLike};

use crate::bus::Bus;
use crate::map::Span;

/// Access kinds, as the datasheets name them. Each is a type without values.
#[allow(non_camel_case_types)] // the datasheets' own names
pub mod kind {
    /// Read only.
    #[derive(Debug, Clone, Copy)]
    pub enum RO {}
    /// Write only: a read returns an undefined value.
    #[derive(Debug, Clone, Copy)]
    pub enum WO {}
    /// Read and write, without side effects of the access itself.
    #[derive(Debug, Clone, Copy)]
    pub enum RW {}
    /// Reading clears (statistics).
    #[derive(Debug, Clone, Copy)]
    pub enum RC {}
    /// Reading clears, and writing ones clears those bits (EICR).
    #[derive(Debug, Clone, Copy)]
    pub enum RC_W1C {}
    /// Reading clears some bits, and writing sets the value (a virtual function's mailbox).
    #[derive(Debug, Clone, Copy)]
    pub enum RC_RW {}
    /// Writing ones sets those bits, zeros are ignored (EICS, EIMS). Reading has no effect.
    #[derive(Debug, Clone, Copy)]
    pub enum W1S {}
    /// Writing ones clears those bits (EIMC). A read returns an undefined value.
    #[derive(Debug, Clone, Copy)]
    pub enum W1C {}
    /// Reading sets a bit: a semaphore (SWSM.SMBI).
    #[derive(Debug, Clone, Copy)]
    pub enum RS {}
    /// A register of kind `A` whose writes can make the device reach memory.
    #[derive(Debug, Clone, Copy)]
    pub struct Dma<A>(A);
}

use kind::{Dma, RC, RC_RW, RC_W1C, RO, RS, RW, W1C, W1S, WO};

/// Kinds that can be read without a side effect.
pub trait Readable {}
impl Readable for RO {}
impl Readable for RW {}
impl Readable for W1S {}
impl<A: Readable> Readable for Dma<A> {}

/// Kinds to which safe code can write any value.
pub trait Writable {}
impl Writable for RW {}
impl Writable for WO {}
impl Writable for RS {}
impl Writable for RC_RW {}

/// Kinds that a read clears.
pub trait ReadClears {}
impl ReadClears for RC {}
impl ReadClears for RC_W1C {}
impl ReadClears for RC_RW {}

/// Kinds in which writing ones clears bits.
pub trait WriteClears {}
impl WriteClears for RC_W1C {}
impl WriteClears for W1C {}

/// The widths of registers: 8, 16 and 32 bits.
pub trait Width: UIntLike {
    /// The width in bytes.
    const BYTES: u32;

    /// Reads a register of this width.
    ///
    /// # Safety
    /// As for [`Bus::read32`].
    unsafe fn read<B: Bus>(bus: &B, offset: u32) -> Self;

    /// Writes a register of this width.
    ///
    /// # Safety
    /// As for [`Bus::write32`].
    unsafe fn write<B: Bus>(self, bus: &B, offset: u32);
}

macro_rules! width {
    ($T:ty, $bytes:literal, $read:ident, $write:ident) => {
        impl Width for $T {
            const BYTES: u32 = $bytes;

            #[inline(always)]
            unsafe fn read<B: Bus>(bus: &B, offset: u32) -> Self {
                // SAFETY: BUS-WINDOW, as the caller promises.
                unsafe { bus.$read(offset) }
            }

            #[inline(always)]
            unsafe fn write<B: Bus>(self, bus: &B, offset: u32) {
                // SAFETY: BUS-WINDOW and the limits of DMA, as the caller promises.
                unsafe { bus.$write(offset, self) }
            }
        }
    };
}

width!(u8, 1, read8, write8);
width!(u16, 2, read16, write16);
width!(u32, 4, read32, write32);

/// One register of a device: `T` wide, with the fields of `L`, accessed as kind `A` permits.
///
/// The accessors that [`registers!`](crate::registers) generates create it; it costs nothing.
#[derive(Debug)]
pub struct Reg<'a, B, T, L, A> {
    bus: &'a B,
    offset: u32,
    kind: PhantomData<(T, L, A)>,
}

impl<B, T, L, A> Clone for Reg<'_, B, T, L, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B, T, L, A> Copy for Reg<'_, B, T, L, A> {}

impl<'a, B: Bus, T: Width, L: RegisterLongName, A> Reg<'a, B, T, L, A> {
    /// The register at `offset`.
    ///
    /// # Safety
    /// BUS-WINDOW: the offset is aligned to the width and the register lies inside the window; `T` and `A`
    /// are the width and the kind of the register that is there.
    #[inline(always)]
    pub const unsafe fn new(bus: &'a B, offset: u32) -> Self {
        Self { bus, offset, kind: PhantomData }
    }

    /// The register's offset in the window, in bytes.
    #[inline(always)]
    pub const fn offset(self) -> u32 {
        self.offset
    }

    #[inline(always)]
    fn load(self) -> T {
        // SAFETY: BUS-WINDOW, promised to `Reg::new`.
        unsafe { T::read(self.bus, self.offset) }
    }

    /// # Safety
    /// The value does not make the device reach memory that is not its own to reach.
    #[inline(always)]
    unsafe fn store(self, value: T) {
        // SAFETY: BUS-WINDOW, promised to `Reg::new`; the value by the caller.
        unsafe { value.write(self.bus, self.offset) }
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: Readable> Reg<'_, B, T, L, A> {
    /// Reads the whole register.
    #[inline(always)]
    pub fn get(self) -> T {
        self.load()
    }

    /// Reads one field.
    #[inline(always)]
    pub fn read(self, field: Field<T, L>) -> T {
        field.read(self.load())
    }

    /// Reads whether any bit of the field is set.
    #[inline(always)]
    pub fn is_set(self, field: Field<T, L>) -> bool {
        field.is_set(self.load())
    }

    /// Reads the register once, to look at several fields.
    #[inline(always)]
    pub fn extract(self) -> LocalRegisterCopy<T, L> {
        LocalRegisterCopy::new(self.load())
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: Writable> Reg<'_, B, T, L, A> {
    /// Writes the whole register.
    #[inline(always)]
    pub fn set(self, value: T) {
        // SAFETY: the map marks registers through which a device reaches memory as `dma`; this is not one of them.
        unsafe { self.store(value) }
    }

    /// Writes the fields given, and zero to all others.
    #[inline(always)]
    pub fn write(self, fields: FieldValue<T, L>) {
        self.set(fields.modify(T::zero()));
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: Readable + Writable> Reg<'_, B, T, L, A> {
    /// Reads the register and writes it back with the fields given changed.
    #[inline(always)]
    pub fn modify(self, fields: FieldValue<T, L>) {
        self.set(fields.modify(self.load()));
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: Readable> Reg<'_, B, T, L, Dma<A>> {
    /// Writes the whole register.
    ///
    /// # Safety
    /// ARMED-ONLY: afterwards the device reaches only memory that its driver has given to it.
    #[inline(always)]
    pub unsafe fn set_dma(self, value: T) {
        // SAFETY: as the caller promises.
        unsafe { self.store(value) }
    }

    /// Writes the fields given, and zero to all others.
    ///
    /// # Safety
    /// As for [`set_dma`](Self::set_dma).
    #[inline(always)]
    pub unsafe fn write_dma(self, fields: FieldValue<T, L>) {
        // SAFETY: as the caller promises.
        unsafe { self.store(fields.modify(T::zero())) }
    }

    /// Reads the register and writes it back with the fields given changed.
    ///
    /// # Safety
    /// As for [`set_dma`](Self::set_dma).
    #[inline(always)]
    pub unsafe fn modify_dma(self, fields: FieldValue<T, L>) {
        // SAFETY: as the caller promises.
        unsafe { self.store(fields.modify(self.load())) }
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: ReadClears> Reg<'_, B, T, L, A> {
    /// Reads the register, which clears it.
    #[inline(always)]
    pub fn take(self) -> LocalRegisterCopy<T, L> {
        LocalRegisterCopy::new(self.load())
    }
}

impl<B: Bus, T: Width, L: RegisterLongName, A: WriteClears> Reg<'_, B, T, L, A> {
    /// Clears the bits that are set in `bits`.
    #[inline(always)]
    pub fn clear(self, bits: T) {
        // SAFETY: clearing causes or masks reaches no memory.
        unsafe { self.store(bits) }
    }
}

impl<B: Bus, T: Width, L: RegisterLongName> Reg<'_, B, T, L, W1S> {
    /// Sets the bits that are set in `bits`, and leaves the others as they are.
    #[inline(always)]
    pub fn raise(self, bits: T) {
        // SAFETY: setting causes or masks reaches no memory.
        unsafe { self.store(bits) }
    }
}

impl<B: Bus, T: Width, L: RegisterLongName> Reg<'_, B, T, L, RS> {
    /// Reads the register, and the device then sets its semaphore bit: a reader that gets 0 owns the semaphore.
    #[inline(always)]
    pub fn test_and_set(self) -> LocalRegisterCopy<T, L> {
        LocalRegisterCopy::new(self.load())
    }
}

/// An array of registers of one kind.
#[derive(Debug)]
pub struct Array<'a, B, T, L, A> {
    bus: &'a B,
    spans: &'static [Span],
    kind: PhantomData<(T, L, A)>,
}

impl<'a, B: Bus, T: Width, L: RegisterLongName, A> Array<'a, B, T, L, A> {
    /// The array made of `spans`.
    ///
    /// # Safety
    /// BUS-WINDOW, as for [`Reg::new`], for every element of every span.
    #[inline(always)]
    pub const unsafe fn new(bus: &'a B, spans: &'static [Span]) -> Self {
        Self { bus, spans, kind: PhantomData }
    }

    /// The number of registers.
    #[inline(always)]
    pub const fn len(&self) -> u32 {
        Span::total(self.spans)
    }

    /// Register `n`, or `None` when the array is shorter.
    #[inline(always)]
    pub const fn at(&self, n: u32) -> Option<Reg<'a, B, T, L, A>> {
        match Span::locate(self.spans, n) {
            // SAFETY: `locate` gives offsets of elements only, which are inside, as promised to `Array::new`.
            Some(offset) => Some(unsafe { Reg::new(self.bus, offset) }),
            None => None,
        }
    }

    /// All registers in order.
    pub fn iter(&self) -> impl Iterator<Item = Reg<'a, B, T, L, A>> + use<'a, B, T, L, A> {
        let (bus, spans) = (self.bus, self.spans);
        // SAFETY: `offsets` gives offsets of elements only, which are inside, as promised to `Array::new`.
        spans.iter().flat_map(Span::offsets).map(move |offset| unsafe { Reg::new(bus, offset) })
    }
}
