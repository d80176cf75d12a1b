//! A register's value in readable form: [`Decoded`], [`FieldValue`].

use core::fmt::{self, Write};

use tock_registers::debug::{FieldValueEnumSeq, RegisterDebugInfo};

use crate::access::Width;
use crate::map::{FieldInfo, Register};

/// A register with a value of it, made by [`Register::decode`]. It displays the value's fields.
///
/// `{}` prints the fields that are not zero, `{:#}` all of them. A value that the datasheet names is followed by its
/// name.
///
/// ```
/// use ixy_regs::ixgbe;
///
/// let links = ixgbe::find("LINKS").ok_or("no such register")?;
/// assert_eq!(links.decode(0x7000_0000).to_string(), "LINK_SPEED=0x3(SPEED_10G) LINK_UP=0x1");
/// assert!(format!("{:#}", links.decode(0)).contains("LINK_UP=0x0"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Decoded {
    register: &'static Register,
    value: u32,
}

impl Register {
    /// Decodes `value` of this register, to be printed field by field.
    pub const fn decode(&'static self, value: u32) -> Decoded {
        Decoded { register: self, value }
    }
}

impl Decoded {
    /// All fields with their values, in the order of the register's declaration.
    pub fn fields(self) -> impl Iterator<Item = FieldValue> {
        self.register.fields().map(move |info| FieldValue { info, value: info.of(self.value) })
    }

    /// The fields that are not zero.
    pub fn set_fields(self) -> impl Iterator<Item = FieldValue> {
        self.fields().filter(|field| field.value != 0)
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = f.alternate();
        for (n, field) in self.fields().filter(|field| all || field.value != 0).enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{field}")?;
        }
        Ok(())
    }
}

/// A field and its value. It displays as `LINK_SPEED=0x3(SPEED_10G)`.
#[derive(Debug, Clone, Copy)]
pub struct FieldValue {
    /// The field's place and name.
    pub info: FieldInfo,
    /// The field's value, shifted down to bit 0.
    pub value: u32,
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:#x}", self.info.name, self.value)?;
        self.info.write_name(self.value, f)
    }
}

/// Writes the name that field `n` of the register type `L` declares for `value`, in parentheses; nothing if it has
/// none.
pub(crate) fn write_name_of<T, L>(n: usize, value: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result
where
    T: Width + TryFrom<u32> + 'static,
    L: RegisterDebugInfo<T> + 'static,
{
    let Ok(value) = T::try_from(value) else { return Ok(()) };
    let (mut at, mut result) = (0, Ok(()));
    let mut write_if_it_is_n = |name: &dyn fmt::Debug| {
        if at == n {
            let mut names = Names { to: f, opened: false, is_name: true };
            result = write!(names, "{name:?}").and_then(|()| names.close());
        }
        at += 1;
    };
    L::FieldValueEnumTypes::recurse_try_from_value(&mut || value, &mut write_if_it_is_n);
    result
}

/// Puts parentheses around a name, and drops a number, which tock-registers prints for a value without a name.
struct Names<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    opened: bool,
    is_name: bool,
}

impl Names<'_, '_> {
    fn close(self) -> fmt::Result {
        if self.opened { self.to.write_char(')') } else { Ok(()) }
    }
}

impl Write for Names<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.opened {
            self.is_name &= !text.starts_with(|first: char| first.is_ascii_digit());
        }
        if !self.is_name || text.is_empty() {
            return Ok(());
        }
        if !self.opened {
            self.opened = true;
            self.to.write_char('(')?;
        }
        self.to.write_str(text)
    }
}
