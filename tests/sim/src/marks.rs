//! Proof that a set of runs was not vacuous: what was seen to happen is marked and counted.

use std::fmt;

use vrrp::{Command, Outcome, Reason, Standing, State, Why};

macro_rules! marks {
    ($($variant:ident $words:literal,)+) => {
        /// Something that happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mark {
            $(#[doc = $words] $variant,)+
        }

        impl Mark {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            fn words(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)+
                }
            }
        }
    };
}

marks! {
    Split "a link split in two",
    OneWayCut "a direction was cut",
    Storm "a storm on a link",
    Stall "a host stalled",
    Crash "a host lost power",
    CrashMidway "a host lost power between two actions",
    Kill "a router was killed",
    KillMidway "a router was killed between two actions",
    GuardianSpoke "a supervisor gave away what its dead router held",
    Stop "a router was stopped",
    StopWithGrace "a router was stopped, and kept its addresses until a peer had them",
    Offered "addresses were offered",
    GivenUp "what was offered was given up",
    TakenBack "nobody took what was offered",
    Drained "faults stopped with a drained router taking part",
    LinkDown "an interface went down",
    AddressLost "an interface lost its addresses",
    Renumber "an interface got other addresses",
    CheckTurns "a check turned",
    Command "somebody wanted something",
    Reload "a configuration was read again",
    ClockStep "a clock was set",
    Signed "an advertisement was signed",
    Password "an advertisement had a password",
    Unauthentic "an honest advertisement was not authentic any more",
    ComesOrGoes "an instance was taken away or brought back by a reload",
    Theft "a virtual address was removed by somebody",
    Lost "a packet was lost",
    Delayed "a packet was late",
    Overtaken "a packet was overtaken by a later one",
    Doubled "a packet arrived twice",
    Reflected "a packet came back to its sender",
    Noise "a packet was refused",
    WaitedForStall "packets waited for a stalled host",
    StallOutlastedTimer "Active_Down_Timer expired in a stall, and the packets that waited prevented a takeover",
    TwoActives "two routers were Active at once",
    Contest "two routers were Active at once although they hear each other",
    NobodyLeft "faults stopped with no router left to be Active",
    OneLeft "faults stopped and exactly one router was Active",
    TieDeferred "a member of a group left a tie for the first member to lose",
    HigherWaited "faults stopped with a better router that does not preempt",
    TieBroken "faults stopped with an Active that won by its address or came first",
    OwnerWon "faults stopped with an owner Active",
    DownForGood "a host stayed down",
    Initialize "INIT was entered",
    Fault "FAULT was entered",
    Backup "BACKUP was entered",
    Active "MASTER was entered",
    GroupActive "a group was MASTER as a whole",
    GroupLess "a group was less than MASTER",
    ReasonStartup "because of Startup",
    ReasonShutdown "because of Shutdown",
    ReasonOwner "because of Owner",
    ReasonActiveDown "because of ActiveDown, after an Active was heard",
    ReasonNobody "because of ActiveDown, without any Active heard",
    ReasonActiveReleased "because of ActiveReleased",
    ReasonPreempting "because of Preempting",
    ReasonHigherPriority "because of HigherPriority",
    ReasonLinkDown "because of LinkDown",
    ReasonLinkUp "because of LinkUp",
    ReasonNoPrimaryAddress "because of NoPrimaryAddress",
    ReasonPrimaryAddress "because of PrimaryAddress",
    ReasonCheckDown "because of CheckDown",
    ReasonCheckUp "because of CheckUp",
    ReasonCheckUnknown "because of CheckUnknown",
    ReasonCheckWeight "because of CheckWeight",
    ReasonLate "because of Late",
    ReasonDrain "because of a drain",
    ReasonUndrain "because of an undrain",
    ReasonRelease "because of a release",
    ReasonInterfaceDown "because of InterfaceDown",
    ReasonInterfaceUp "because of InterfaceUp",
    ReasonSyncGroup "because of SyncGroup",
    ReasonReconfigured "because of Reconfigured",
    PriorityZero "priority 0 was advertised",
    PriorityChanged "a priority changed",
    CheckUp "a check went up",
    CheckDown "a check went down",
    CheckUnknown "a check became unknown",
    DueAdvertise "Adver_Timer was due",
    DueAnswer "an answer was due",
    DueActiveDown "Active_Down_Timer was due",
    DueAnnounce "an announcement was due",
    DueYield "an offer was over",
    DueStartDelay "a start delay was over",
    DueInterface "a change of an interface was due",
    DueInitGrace "first verdicts were due",
    DueStaleCheck "a report was due",
    Passing "a check passed",
    Warning "a check warned",
    Failing "a check failed",
    Error "a check ended in an error",
    Silent "a check did not report",
    PeerDiffers "a peer was seen to be configured differently",
    Unicast "a peer was spoken to by its address",
    Version2 "version 2 was spoken",
    Version3Ipv4 "version 3 was spoken over IPv4",
    Version3Ipv6 "version 3 was spoken over IPv6",
}

impl Mark {
    pub(crate) fn of_state(state: State) -> Self {
        match state {
            State::Initialize => Self::Initialize,
            State::Fault => Self::Fault,
            State::Backup => Self::Backup,
            State::Active => Self::Active,
        }
    }

    pub(crate) fn of_group(state: State) -> Self {
        match state {
            State::Active => Self::GroupActive,
            State::Initialize | State::Fault | State::Backup => Self::GroupLess,
        }
    }

    pub(crate) fn of_reason(reason: Reason) -> Self {
        match reason {
            Reason::Startup => Self::ReasonStartup,
            Reason::Shutdown => Self::ReasonShutdown,
            Reason::Owner => Self::ReasonOwner,
            Reason::ActiveDown(Some(_)) => Self::ReasonActiveDown,
            Reason::ActiveDown(None) => Self::ReasonNobody,
            Reason::ActiveReleased(_) => Self::ReasonActiveReleased,
            Reason::Preempting { .. } => Self::ReasonPreempting,
            Reason::HigherPriority { .. } => Self::ReasonHigherPriority,
            Reason::LinkDown => Self::ReasonLinkDown,
            Reason::LinkUp => Self::ReasonLinkUp,
            Reason::NoPrimaryAddress => Self::ReasonNoPrimaryAddress,
            Reason::PrimaryAddress => Self::ReasonPrimaryAddress,
            Reason::CheckDown(_) => Self::ReasonCheckDown,
            Reason::CheckUp(_) => Self::ReasonCheckUp,
            Reason::CheckUnknown(_) => Self::ReasonCheckUnknown,
            Reason::CheckWeight(_) => Self::ReasonCheckWeight,
            Reason::Late(_) => Self::ReasonLate,
            Reason::Command(Command::Drain) => Self::ReasonDrain,
            Reason::Command(Command::Undrain) => Self::ReasonUndrain,
            Reason::Command(Command::Release) => Self::ReasonRelease,
            Reason::InterfaceDown(_) => Self::ReasonInterfaceDown,
            Reason::InterfaceUp(_) => Self::ReasonInterfaceUp,
            Reason::SyncGroup(_) => Self::ReasonSyncGroup,
            Reason::Reconfigured => Self::ReasonReconfigured,
        }
    }

    /// Pending is where a check begins, not what it becomes.
    pub(crate) fn of_standing(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Pending => None,
            Standing::Up => Some(Self::CheckUp),
            Standing::Down => Some(Self::CheckDown),
            Standing::Unknown => Some(Self::CheckUnknown),
        }
    }

    pub(crate) fn of_deadline(why: Why) -> Self {
        match why {
            Why::Advertise(_) => Self::DueAdvertise,
            Why::Answer(_) => Self::DueAnswer,
            Why::ActiveDown(_) => Self::DueActiveDown,
            Why::Announce(_) => Self::DueAnnounce,
            Why::Yield(_) => Self::DueYield,
            Why::StartDelay(_) => Self::DueStartDelay,
            Why::Interface(_) => Self::DueInterface,
            Why::InitGrace(_) => Self::DueInitGrace,
            Why::StaleCheck(_) => Self::DueStaleCheck,
        }
    }

    pub(crate) fn of_outcome(outcome: Option<Outcome>) -> Self {
        match outcome {
            None => Self::Silent,
            Some(Outcome::Passing) => Self::Passing,
            Some(Outcome::Warning) => Self::Warning,
            Some(Outcome::Failing) => Self::Failing,
            Some(Outcome::Error) => Self::Error,
        }
    }
}

/// How often each thing happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks(Vec<u64>);

impl Default for Marks {
    fn default() -> Self {
        Self(vec![0; Mark::ALL.len()])
    }
}

impl Marks {
    pub(crate) fn hit(&mut self, mark: Mark) {
        self.0[mark as usize] += 1;
    }

    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    /// How often something happened.
    pub fn count(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<Mark> {
        let never = |mark: &Mark| self.count(*mark) == 0;
        Mark::ALL.iter().copied().filter(never).collect()
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &mark in Mark::ALL {
            writeln!(f, "{:>14}  {}", self.count(mark), mark.words())?;
        }
        Ok(())
    }
}
