//! What a command would not look at is refused if it is on the command line. Variables and the config file serve every
//! command, so there it is no mistake.

use crate::claims_call_args::ActionArg;
use crate::production::By;
use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;

/// The command that is asked for, word by word, with what is said of it.
struct Asked<'a> {
    words: Vec<&'a str>,
    matches: &'a ArgMatches,
}

impl<'a> Asked<'a> {
    fn of(mut matches: &'a ArgMatches) -> Self {
        let mut words = Vec::new();
        while let Some((word, below)) = matches.subcommand() {
            words.push(word);
            matches = below;
        }
        Self { words, matches }
    }

    fn has(&self, id: &str) -> bool {
        self.matches.try_contains_id(id).unwrap_or(false)
    }

    fn is_on_command_line(&self, id: &str) -> bool {
        self.has(id) && self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    fn is<T: Clone + Send + Sync + PartialEq + 'static>(&self, id: &str, value: &T) -> bool {
        self.matches.try_get_one::<T>(id).ok().flatten() == Some(value)
    }

    /// Whether it prints JSON or CSV in which amounts and times can be rewritten. A description, a state by the contract's own
    /// names and what goes into files stay as they are.
    fn is_rewritten(&self) -> bool {
        match self.words[..] {
            ["audit", "chain"] => !self.has("report"),
            ["claims", "merkle"] | [] => false,
            ["ledger" | "bundle", "show"] | ["log", "info"] | ["audit" | "claims", _] => true,
            [word, ..] => [
                "replay",
                "whatif",
                "status",
                "owners",
                "explain",
                "sequencer",
                "sequencers",
                "production",
                "accounts",
            ]
            .contains(&word),
        }
    }

    /// What is given and would be ignored, if anything is.
    fn ignored(&self) -> Option<String> {
        let command = self.words.join(" ");
        let unit = ["unit", "time"].into_iter().find(|id| self.is_on_command_line(id));
        if let Some(flag) = unit.filter(|_| !self.is_rewritten()) {
            let is_report = self.words[..] == ["audit", "chain"];
            let with = if is_report { " with --report" } else { "" };
            return Some(format!(
                "--{flag} does nothing for `tally {command}`{with}: what it writes stays exact"
            ));
        }
        match self.words[..] {
            ["claims", "call"]
                if self.is("action", &ActionArg::Join) && self.is_on_command_line("sequencer") =>
            {
                Some("join takes no --sequencer: the contract gives the id".into())
            }
            ["production"]
                if self.is_on_command_line("policy") && !self.has("epoch") && !self.is("by", &By::Epoch) =>
            {
                Some("--policy says which epochs there are: it needs --epoch or --by epoch".into())
            }
            _ => None,
        }
    }
}

/// Refuses what would be ignored; else says whether amounts and times are rewritten as `--unit` and `--time` say.
pub(crate) fn check(matches: &ArgMatches) -> Result<bool, clap::Error> {
    let asked = Asked::of(matches);
    match asked.ignored() {
        Some(why) => Err(clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n"))),
        None => Ok(asked.is_rewritten()),
    }
}
