//! Keeps a device from interrupting a kernel that has no driver for it.

use crate::capability::Capability;
use crate::config::{COMMAND_INTERRUPT_DISABLE, ConfigSpace};
use crate::error::Error;

/// Offset of Message Control in the capabilities of MSI and MSI-X (PCI Local Bus Specification 3.0, 6.8.1.3 and
/// 6.8.2.3).
const MESSAGE_CONTROL: u16 = 0x02;
/// MSI Enable of MSI's Message Control.
const MSI_ENABLE: u16 = 1 << 0;
/// MSI-X Enable of MSI-X's Message Control.
const MSI_X_ENABLE: u16 = 1 << 15;

/// Switches off all interrupts of a device: the pin, for which the kernel has no handler, and messages, which
/// would go to a processor that does not expect them. MSI-X also determines the offset of a virtio device's
/// configuration (virtio 1.2, 4.1.4.10).
pub(crate) fn switch_off(config: &ConfigSpace, capabilities: &[Capability]) -> Result<(), Error> {
    // The pin first: a device that may not send messages uses it instead.
    // SAFETY: ARMED-ONLY: Bus Master Enable stays as it is, and no BAR moves.
    match unsafe { config.set_command(COMMAND_INTERRUPT_DISABLE, true) } {
        // The bit came with revision 2.3 of the specification.
        Err(Error::CommandRefused { address, .. }) => {
            tracing::warn!("{address} cannot switch its interrupt pin off; a driver has to mask its causes");
        }
        other => other?,
    }
    for (id, what, enable) in
        [(Capability::MSI, "MSI", MSI_ENABLE), (Capability::MSI_X, "MSI-X", MSI_X_ENABLE)]
    {
        let Some(capability) = capabilities.iter().find(|capability| capability.id == id) else { continue };
        let offset = capability.offset + MESSAGE_CONTROL;
        let control = config.present(config.read16(offset)?)?;
        if control & enable == 0 {
            continue;
        }
        // SAFETY: ARMED-ONLY: a device that sends no messages writes to less memory than before. MAPPED-ALIVE: Message
        // Control moves no BAR.
        unsafe { config.write16(offset, control & !enable) }?;
        let found = config.present(config.read16(offset)?)?;
        if found & enable != 0 {
            return Err(Error::MessagesRefused { address: config.address(), what, found });
        }
    }
    Ok(())
}
