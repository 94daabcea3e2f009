//! Functions over IP networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ANY, Arguments, Function, function};
use crate::bake::Error;
use crate::bake::value::Value;

pub(super) const TABLE: &[Function] = &[
    function("cidrhost", 2, 2, |a| {
        let network = Network::parse(&a.text(0)?)?;
        Ok(network.host(a.whole(1)?)?.to_string().into())
    }),
    function("cidrnetmask", 1, 1, |a| {
        let network = Network::parse(&a.text(0)?)?;
        match network.bits {
            32 => Ok(network.address(network.mask()).to_string().into()),
            _ => Err(Error::new("only networks of IPv4 have a netmask")),
        }
    }),
    function("cidrsubnet", 3, 3, |a| {
        let network = Network::parse(&a.text(0)?)?;
        let number = u128::try_from(a.count(2)?).unwrap_or(u128::MAX);
        Ok(network.subnet(bits(a, 1)?, number)?.to_string().into())
    }),
    function("cidrsubnets", 1, ANY, subnets),
];

/// A network: addresses of 32 or 128 bits, of which the first ones are fixed.
#[derive(Debug, Clone, Copy)]
struct Network {
    start: u128,
    prefix: u32,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::new(format!("{text:?} is no network")).with_hint("such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let (start, bits) = match address.parse().map_err(|_| bad())? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(bad)?;
        let network = Self { start, prefix, bits };
        Ok(Self { start: start & network.mask(), ..network })
    }

    /// The bits that are fixed.
    fn mask(&self) -> u128 {
        let all = u128::MAX >> (128 - self.bits);
        all & !all.checked_shr(self.prefix).unwrap_or(0)
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.bits {
            32 => IpAddr::V4(Ipv4Addr::from(number as u32)),
            _ => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

    /// The address of that number; below zero, counted from the end.
    fn host(&self, number: i64) -> Result<IpAddr, Error> {
        let last = !self.mask() & (u128::MAX >> (128 - self.bits));
        let distance = u128::from(number.unsigned_abs());
        let host = match number < 0 {
            true => last.checked_sub(distance - 1),
            false => Some(distance),
        };
        let host = host.filter(|host| *host <= last);
        let host = host.ok_or_else(|| Error::new(format!("a network of /{} has no host {number}", self.prefix)))?;
        Ok(self.address(self.start | host))
    }

    /// The network of that number among those of `more` bits.
    fn subnet(&self, more: u32, number: u128) -> Result<Self, Error> {
        let prefix = self.prefix.checked_add(more).filter(|prefix| *prefix <= self.bits);
        let prefix =
            prefix.ok_or_else(|| Error::new(format!("a network of /{} has no {more} bits left", self.prefix)))?;
        let fits = more >= 128 || number < 1 << more;
        if !fits {
            return Err(Error::new(format!("{more} bits are too few for the number {number}")));
        }
        let start = self.start | number.checked_shl(self.bits - prefix).unwrap_or(0);
        Ok(Self { start, prefix, bits: self.bits })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address(self.start), self.prefix)
    }
}

fn bits(arguments: &Arguments<'_>, at: usize) -> Result<u32, Error> {
    u32::try_from(arguments.count(at)?).map_err(|_| Error::new("these are too many bits"))
}

/// One network after the other, each where it fits.
fn subnets(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let network = Network::parse(&arguments.text(0)?)?;
    let last = network.start | !network.mask() & (u128::MAX >> (128 - network.bits));
    let (mut next, mut all) = (Some(network.start), Vec::new());
    for at in 1..arguments.values.len() {
        let subnet = network.subnet(bits(arguments, at)?.max(1), 0)?;
        let size = 1_u128.checked_shl(subnet.bits - subnet.prefix).unwrap_or(0);
        let start = next.and_then(|next| next.checked_next_multiple_of(size)).filter(|start| *start <= last);
        let start = start.ok_or_else(|| Error::new(format!("there is no room left in {network}")))?;
        all.push(Network { start, ..subnet }.to_string());
        next = start.checked_add(size);
    }
    Ok(all.into_iter().collect())
}
