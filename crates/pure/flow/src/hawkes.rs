//! Clustered arrivals: a Hawkes process with an exponential kernel.
//!
//! Symbols: mu base rate, n branching ratio (children per arrival), tau decay time, excess e(t) = rate above mu.
//! Law: each arrival adds n/tau to the excess, which decays as exp(-t/tau); the mean rate is mu/(1 - n).
//! Source: Hawkes (1971), "Spectra of some self-exciting and mutually exciting point processes"; drawn without
//! rejection as in Dassios and Zhao (2013), "Exact simulation of Hawkes process with exponentially decaying intensity".
//! Worked number (test): over windows long against tau the variance of counts over their mean is 1/(1 - n)²; n = 0.6
//! gives 6.25, a Poisson process 1.

use crate::chance::Chance;

/// Is the law of one stream of arrivals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HawkesLaw {
    /// Arrivals a second in the mean, children included.
    pub(crate) rate: f64,
    /// Children per arrival, in [0, 1).
    pub(crate) branching: f64,
    /// Decay time in seconds.
    pub(crate) tau: f64,
}

/// Draws the waits between arrivals.
#[derive(Clone, Debug)]
pub(crate) struct Hawkes {
    law: HawkesLaw,
    /// The rate above the base, right after the last arrival.
    excess: f64,
}

impl Hawkes {
    pub(crate) const fn new(law: HawkesLaw) -> Self {
        Self { law, excess: 0.0 }
    }

    /// Gives the seconds until the next arrival.
    pub(crate) fn wait(&mut self, chance: &mut Chance) -> f64 {
        let HawkesLaw { rate, branching, tau } = self.law;
        let spontaneous = chance.exponential_est(1.0 / (rate * (1.0 - branching)));
        let wait = match self.caused(chance) {
            Some(caused) if caused < spontaneous => caused,
            Some(_) | None => spontaneous,
        };
        self.excess = self.excess * libm::exp(-wait / tau) + branching / tau;
        wait
    }

    /// Gives the wait for an arrival that earlier ones cause, if there will be one: the decaying excess has an integral
    /// of excess × tau in all, and the exponential variate may lie behind it.
    fn caused(&self, chance: &mut Chance) -> Option<f64> {
        let tau = self.law.tau;
        if self.excess <= 0.0 {
            return None;
        }
        let left = 1.0 - chance.exponential_est(1.0) / (self.excess * tau);
        (left > 0.0).then(|| -libm::log(left) * tau)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::to_units;

    /// Gives the mean count of windows, and the variance of counts over it.
    fn counts(law: HawkesLaw, window: f64, windows: usize) -> (f64, f64) {
        let (mut hawkes, mut chance) = (Hawkes::new(law), Chance::new(5));
        let mut counts = vec![0_u32; windows];
        let mut at = 0.0;
        loop {
            at += hawkes.wait(&mut chance);
            let index = usize::try_from(to_units(at / window)).unwrap();
            match counts.get_mut(index) {
                Some(count) => *count += 1,
                None => break,
            }
        }
        let total = f64::from(u32::try_from(windows).unwrap());
        let mean = counts.iter().map(|&count| f64::from(count)).sum::<f64>() / total;
        let off = |count: &u32| (f64::from(*count) - mean) * (f64::from(*count) - mean);
        (mean, counts.iter().map(off).sum::<f64>() / total / mean)
    }

    fn check(branching: f64, dispersion: f64) {
        let law = HawkesLaw { rate: 2.0, branching, tau: 0.25 };
        let (mean, got) = counts(law, 100.0, 4_000);
        assert!((mean / 200.0 - 1.0).abs() < 0.02, "mean {mean}");
        assert!((got / dispersion - 1.0).abs() < 0.1, "dispersion {got}, want {dispersion}");
    }

    #[test]
    fn the_mean_rate_is_kept_and_counts_disperse_by_the_branching_ratio() {
        check(0.0, 1.0);
        check(0.3, 2.04);
        check(0.6, 6.25);
    }
}
