//! How often a client may ask.

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// From so many clients on, those are forgotten who could ask as often as anybody again.
const PRUNED_ABOVE: usize = 4096;
/// That goes through all of them, so it is not done more often than this.
const PRUNED_EVERY: Duration = Duration::from_secs(1);
/// Nobody new is let in beyond this: about 10 MB of clients.
const CLIENTS_MAX: usize = 65_536;

/// The address of a client, as far as one client has one: of IPv6 the network that a host gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    V4(u32),
    V6(u128),
}

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 64),
        }
    }
}

/// A bucket for each client: it holds twice what a second gives.
pub(super) struct Limiter<C: Clock = DefaultClock> {
    quota: Quota,
    clock: C,
    clients: Mutex<Clients<C>>,
}

struct Clients<C: Clock> {
    buckets: BTreeMap<Client, Bucket<C>>,
    pruned_at: C::Instant,
}

struct Bucket<C: Clock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    asked_at: C::Instant,
}

impl<C: Clock + Clone> Limiter<C> {
    /// Lets each client ask so many times in a second, and twice as many at once.
    pub(super) fn new(requests_per_sec: NonZeroU32, clock: C) -> Self {
        let burst = requests_per_sec.get().checked_mul(2).and_then(NonZeroU32::new);
        let quota = Quota::per_second(requests_per_sec).allow_burst(burst.unwrap_or(NonZeroU32::MAX));
        let clients = Mutex::new(Clients { buckets: BTreeMap::new(), pruned_at: clock.now() });
        Self { quota, clock, clients }
    }

    /// Takes one from the client's bucket.
    ///
    /// # Errors
    ///
    /// In how many seconds there will be one, rounded up, if there is none now.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), u64> {
        let client = Client::of(address);
        let now = self.clock.now();
        // Whoever panicked in here left whole buckets.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = clients.buckets.get_mut(&client) {
            bucket.asked_at = now;
            return bucket.take(now);
        }
        let pruned_since: Duration = now.duration_since(clients.pruned_at).into();
        if clients.buckets.len() >= PRUNED_ABOVE && pruned_since >= PRUNED_EVERY {
            let full_after = self.quota.burst_size_replenished_in();
            clients.buckets.retain(|_, bucket| {
                let idle: Duration = now.duration_since(bucket.asked_at).into();
                idle < full_after
            });
            clients.pruned_at = now;
        }
        if clients.buckets.len() >= CLIENTS_MAX {
            return Err(PRUNED_EVERY.as_secs());
        }
        let limiter = RateLimiter::direct_with_clock(self.quota, self.clock.clone());
        let bucket = clients.buckets.entry(client).or_insert(Bucket { limiter, asked_at: now });
        bucket.take(now)
    }
}

impl<C: Clock> Bucket<C> {
    fn take(&self, now: C::Instant) -> Result<(), u64> {
        self.limiter.check().map_err(|until| secs_up(until.wait_time_from(now)))
    }
}

/// Whole seconds, rounded up, and never none.
fn secs_up(wait: Duration) -> u64 {
    let secs = if wait.subsec_nanos() > 0 { wait.as_secs() + 1 } else { wait.as_secs() };
    secs.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn limiter(requests_per_sec: u32) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limiter::new(NonZeroU32::new(requests_per_sec).unwrap(), clock.clone()), clock)
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_client_has_a_burst_and_then_its_rate() {
        let (limiter, clock) = limiter(10);
        let asked = |count: u32| (0..count).filter(|_| limiter.check(v4(1)).is_ok()).count();
        assert_eq!(asked(100), 20);
        assert_eq!(limiter.check(v4(1)), Err(1));
        assert_eq!(limiter.check(v4(2)), Ok(()));
        clock.advance(Duration::from_millis(500));
        assert_eq!(asked(100), 5);
        clock.advance(Duration::from_mins(1));
        assert_eq!(asked(100), 20);
    }

    #[test]
    fn addresses_of_one_host_are_one_client() {
        let (limiter, _) = limiter(1);
        let check = |address: &str| limiter.check(address.parse().unwrap()).is_ok();
        assert!(check("2001:db8:1:2::1") && check("2001:db8:1:2:ffff::9") && !check("2001:db8:1:2::5"));
        assert!(check("2001:db8:1:3::1"));
        assert!(check("::ffff:10.0.0.1") && check("10.0.0.1") && !check("10.0.0.1"));
        assert!(check("10.0.0.2"));
    }

    #[test]
    fn waiting_is_told_in_whole_seconds() {
        for (millis, secs) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(secs_up(Duration::from_millis(millis)), secs);
        }
    }

    #[test]
    fn clients_are_forgotten_and_never_too_many() {
        let (limiter, clock) = limiter(1);
        let count = || limiter.clients.lock().unwrap().buckets.len();
        let most = u32::try_from(CLIENTS_MAX).unwrap();
        for number in 0..most {
            assert_eq!(limiter.check(v4(number)), Ok(()));
        }
        assert_eq!(limiter.check(v4(most)), Err(1));
        // Those who are known go on.
        assert_eq!(limiter.check(v4(7)), Ok(()));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limiter.check(v4(most)), Err(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limiter.check(v4(7)), Ok(()));
        assert_eq!(limiter.check(v4(most)), Ok(()));
        assert_eq!(count(), 2);
    }
}
