//! What happens by time alone: orders start and expire, dead man's switches fire.

use super::Desk;
use crate::server::catalogue::SystemMode;
use remora_domain::Timestamp;

impl Desk {
    /// Does everything that is due. During maintenance the engine is away: orders start, and switches fire, after it.
    pub fn tick(&mut self, now: Timestamp) {
        self.exchange.expire(now, &mut self.events);
        self.absorb(now);
        if self.system == SystemMode::Maintenance {
            return;
        }
        while let Some(&(at, trader)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            self.fire(now, trader);
        }
        while let Some(&(at, order)) = self.waiting.first()
            && at <= now
        {
            self.waiting.pop_first();
            self.start(now, order);
        }
    }

    /// Gives when [`Self::tick`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let is_away = self.system == SystemMode::Maintenance;
        let timer = self.timers.first().map(|&(at, _)| at).filter(|_| !is_away);
        let start = self.waiting.first().map(|&(at, _)| at).filter(|_| !is_away);
        [self.exchange.next_expiry(), timer, start].into_iter().flatten().min()
    }
}
