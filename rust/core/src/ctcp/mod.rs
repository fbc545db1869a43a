//! What rides inside: recognition of cTCP and its neighbours, IKE, ESP.
//! Measures; never judges.

pub mod dpd;
pub mod esp;
pub mod fake_tcp;
pub mod glance;
pub mod identity;
pub mod ike;
pub mod recognise;
pub mod wireguard;
