//! The calls that members of the pool make.

use crate::shape::list;
use crate::{
    Address, Amount, Call, CallChangeKind, CallVerdict, CallWarningKind, ConditionKind, Log, MemberAction,
    ValueUnit,
};
use tally_claims::{Argument, Condition, PreparedCall, Question};

shapes! {
    /// A call that a member of the pool can make, judged as the contract would take it after an L1 block.
    pub struct MemberCall from made: &tally_claims::MemberCall {
        /// What the call is to do: `join`, `increase`, `withdraw`, `claim`, `unlock`, `finish`, `recipient`, `owner` or
        /// `signer`.
        action: MemberAction = made.action.code().into(),
        /// The id of the sequencer; for `join`, the id that the contract would give it.
        sequencer: u64 = made.sequencer.0,
        /// The L1 block after which the call is judged.
        l1_block: u64 = made.as_of.block.0,
        /// The timestamp of that L1 block, in Unix seconds.
        timestamp: u64 = made.as_of.timestamp.0,
        /// Whether the contract would take it; `null` if nothing is against it, and not all is known.
        is_possible: Option<bool> = made.is_possible(),
        /// What the call does, as a sentence.
        summary: String = made.summary.clone(),
        /// What the contract asks for, in order.
        conditions: Vec<CallCondition> = list(&made.conditions, Into::into),
        /// What the call changes and moves; empty where the contract would refuse it.
        changes: Vec<CallChange> = list(&made.changes, Into::into),
        /// From when on the stake can be taken out, in Unix seconds: of an exit that has begun, or that begins right after
        /// the L1 block; else `null`.
        stake_free_at: Option<u64> = made.stake_free_at.map(|time| time.0),
        /// What the sender should know before.
        warnings: Vec<CallWarning> = list(&made.warnings, Into::into),
        /// The call that has to be made before it, unless so much is approved already: METIS' `approve` of the exact amount
        /// to `LockingInfo`; `null` where no METIS is taken.
        approval: Option<CallWithValue> = made.approval.as_ref().map(Into::into),
        /// The encoded call, ready to be sent.
        call: CallWithValue = (&made.call).into(),
    }

    /// A member's call, as the command says it.
    pub struct MemberCallOfLog {
        /// The log that it is of.
        log: Log,
        /// The fields of the call itself.
        #[serde(flatten)]
        call: MemberCall,
    }

    /// A call with the ETH that goes along, and with its arguments as people read them.
    pub struct CallWithValue from call: &PreparedCall {
        /// The fields of the call itself.
        #[serde(flatten)]
        call: Call = call.into(),
        /// The ETH that goes along, in wei; `null` where a node has to be asked how much it has to be.
        value_wei: Option<Amount> = call.value.map(Into::into),
        /// The arguments of the function, in order.
        arguments: Vec<CallArgument> = list(&call.arguments, Into::into),
    }

    /// An argument of a call.
    pub struct CallArgument from argument: &Argument {
        /// The name of the argument.
        name: String = argument.name.into(),
        /// Its type in Solidity.
        r#type: String = argument.kind.into(),
        /// The value: numbers in decimal, bytes as `0x` and hexadecimal digits.
        value: String = argument.value.clone(),
    }

    /// A condition of the contract, with whether it holds.
    pub struct CallCondition from condition: &Condition {
        /// Which condition it is.
        condition: ConditionKind = condition.kind.code().into(),
        /// What has to be so, in a sentence.
        text: String = condition.kind.text().into(),
        /// `holds`, `fails`, or `unknown` where a log cannot know: then `ask` says what to ask a node.
        verdict: CallVerdict = condition.verdict.code().into(),
        /// The least, the most or the very value that is asked for; `null` where there is none.
        wanted: Option<CallValue> = condition.wanted.as_ref().map(Into::into),
        /// The value that there is; `null` where there is none.
        found: Option<CallValue> = condition.found.as_ref().map(Into::into),
        /// From when on it holds, in Unix seconds, if time alone makes it hold; else `null`.
        holds_from: Option<u64> = condition.holds_from.map(|time| time.0),
        /// What to ask a node; `null` unless it is unknown, and until the ETH that goes along is known if the answer hangs on
        /// that.
        ask: Option<CallQuestion> = condition.question.as_ref().map(Into::into),
    }

    /// A value with its unit.
    pub struct CallValue from value: &tally_claims::CallValue {
        /// The unit: `metis_wei`, `eth_wei`, `unix_secs`, `batch`, `sequencer`, `bytes`, `address` or `status`.
        unit: ValueUnit = value.unit().into(),
        /// The value as text: amounts in wei as decimal digits, addresses in lower case.
        value: String = value.exact(),
        /// The same for people: METIS, a time in UTC, an address with its checksum.
        shown: String = value.shown(),
    }

    /// Something that a call changes or moves.
    pub struct CallChange from change: &tally_claims::CallChange {
        /// What it is: `status`, `stake`, `unclaimed`, `recipient`, `owner` and `signer` change; `taken` moves from the owner,
        /// `returned` to the owner, and `paid_out` to the recipient on L2.
        what: CallChangeKind = change.kind.code().into(),
        /// How it is before the call; `null` where there is nothing yet, and for what moves.
        before: Option<CallValue> = change.before.as_ref().map(Into::into),
        /// How it is after the call; of what moves, how much.
        after: CallValue = (&change.after).into(),
    }

    /// Something to know before a call is sent.
    pub struct CallWarning from warning: &tally_claims::CallWarning {
        /// What it is about.
        warning: CallWarningKind = warning.kind.code().into(),
        /// What to know, in a sentence.
        text: String = warning.text.clone(),
        /// What to ask a node; `null` where that would decide nothing.
        ask: Option<CallQuestion> = warning.question.as_ref().map(Into::into),
    }

    /// What to ask a node by JSON-RPC, and which answer is the good one.
    pub struct CallQuestion from question: &Question {
        /// What to ask for, and which answer is the good one, in a sentence.
        text: String = question.text.into(),
        /// The id of the chain whose node to ask.
        chain_id: u64 = question.chain_id,
        /// The method: `eth_call`, `eth_getCode` or `eth_getTransactionCount`.
        method: String = question.method.into(),
        /// Who calls; `null` where that makes no difference.
        from: Option<Address> = question.from.map(Into::into),
        /// The contract or account to ask about.
        to: Address = question.to.into(),
        /// The input of the call, as `0x` and hexadecimal digits; `null` for the other methods.
        data: Option<String> = question.data.as_ref().map(ToString::to_string),
        /// The ETH that goes along, in wei; `null` where there is none, or where it is what has to be found out.
        value_wei: Option<Amount> = question.value.map(Into::into),
    }
}

impl CallValue {
    /// The value as an amount, if it is one of METIS or ETH.
    pub fn wei(&self) -> Option<Amount> {
        let is_amount = matches!(self.unit.as_str(), "metis_wei" | "eth_wei");
        let wei = is_amount.then(|| self.value.parse().ok()).flatten();
        wei.map(|wei| tally_engine::Wei::new(wei).into())
    }
}
