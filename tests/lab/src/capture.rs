//! Every frame on a segment, recorded by tcpdump and decoded by tshark.

pub(crate) mod frame;

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use self::frame::Frame;
use crate::command::{command, run};
use crate::error::unexpected;
use crate::host::folder::Folder;
use crate::{Netns, Process, Result, Segment, wait_until};

const LIMIT: Duration = Duration::from_secs(10);

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    recording: Recording,
}

/// What a capture has recorded.
#[derive(Debug)]
pub struct Recording {
    file: PathBuf,
    checksum: Vrrpv3Checksum,
    _folder: Folder,
}

/// What tshark takes for the checksum of a VRRPv3 packet over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vrrpv3Checksum {
    /// With the pseudo-header, as RFC 5798 was read on Linux.
    #[default]
    Rfc5798,
    /// The VRRP message alone: RFC 9568 §5.2.8.
    Rfc9568,
}

impl Capture {
    /// Starts, and returns when the socket that receives the frames is open.
    pub(crate) fn start(netns: &Netns) -> Result<Self> {
        let folder = Folder::new("capture")?;
        let file = folder.path().join("frames.pcap");
        let mut tcpdump = netns.command("tcpdump");
        tcpdump
            .args(["-n", "-i", Segment::BRIDGE, "--time-stamp-precision=nano"])
            // The kernel's buffer is divided into slots of this length: with tcpdump's own, eight frames at once fill it.
            .arg("--snapshot-length=2048")
            // KiB, for some 8,000 slots: a thousand instances that take over at once announce as many addresses several times.
            .arg("--buffer-size=16384")
            // Every frame is handed over and written as soon as it is there.
            .args([
                "--immediate-mode",
                "--packet-buffered",
                "--relinquish-privileges=root",
                "-w",
            ])
            .arg(&file);
        let tcpdump = Process::spawn(&mut tcpdump)?;
        tcpdump.wait_for_log(LIMIT, "listening on")?;
        Ok(Self {
            tcpdump,
            recording: Recording {
                file,
                checksum: Vrrpv3Checksum::default(),
                _folder: folder,
            },
        })
    }

    /// Which checksum of VRRPv3 counts as good.
    #[must_use]
    pub fn expect_checksum(mut self, checksum: Vrrpv3Checksum) -> Self {
        self.recording.checksum = checksum;
        self
    }

    /// Every frame up to this moment, oldest first.
    ///
    /// # Errors
    ///
    /// Fails when tcpdump has ended, or tshark cannot read what it wrote.
    pub fn frames(&mut self) -> Result<Vec<Frame>> {
        self.drain()?;
        self.recording.frames()
    }

    /// Ends the capture and returns every frame, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Capture::frames`].
    pub fn stop(self) -> Result<Vec<Frame>> {
        self.record()?.frames()
    }

    /// Ends the capture, and leaves the decoding, which takes most of a processor for a second, for later.
    ///
    /// # Errors
    ///
    /// Fails when tcpdump has ended, or has lost frames.
    pub fn record(mut self) -> Result<Recording> {
        self.drain()?;
        self.tcpdump.signal(Signal::INT)?;
        self.tcpdump.wait(LIMIT)?;
        Ok(self.recording)
    }

    /// Waits until tcpdump has written every frame that the kernel has given it: on a busy machine it lags behind, and
    /// it throws away what it has not read when it is told to stop.
    fn drain(&mut self) -> Result<()> {
        let mut reports = statistics(&self.tcpdump.log()).count();
        wait_until(LIMIT, "tcpdump to write every frame", || {
            let tcpdump = &mut self.tcpdump;
            tcpdump
                .signal(Signal::USR1)
                .map_err(|error| error.to_string())?;
            wait_until(LIMIT, "tcpdump to report", || {
                let log = tcpdump.log();
                let seen = statistics(&log).count();
                if seen > reports { Ok(seen) } else { Err(log) }
            })
            .map(|seen| reports = seen)
            .map_err(|error| error.to_string())?;
            let log = tcpdump.log();
            match statistics(&log).last() {
                Some(counts) if counts.written + counts.lost >= counts.received => Ok(counts),
                _ => Err(log),
            }
        })
        .and_then(|counts| match counts.lost {
            0 => Ok(()),
            _ => Err(unexpected("a capture that lost frames", self.tcpdump.log())),
        })
    }
}

impl Recording {
    /// Every frame, oldest first.
    ///
    /// # Errors
    ///
    /// Fails when tshark cannot read what tcpdump wrote.
    pub fn frames(&self) -> Result<Vec<Frame>> {
        let without_pseudo_header = match self.checksum {
            Vrrpv3Checksum::Rfc5798 => "FALSE",
            Vrrpv3Checksum::Rfc9568 => "TRUE",
        };
        let mut tshark = command("tshark");
        tshark.arg("-n").arg("-r").arg(&self.file);
        for preference in [
            "ip.check_checksum:TRUE",
            // An address that moves is the point of the exercise, not an expert's warning.
            "arp.detect_duplicate_ips:FALSE",
            &format!("vrrp.v3_checksum_as_in_v2:{without_pseudo_header}"),
        ] {
            tshark.args(["-o", preference]);
        }
        // What a port carries is guessed from its number: a source port that the kernel picks may be that of a protocol of
        // which the datagram would be a malformed packet.
        for ports in ["tcp.port==1-65535,data", "udp.port==1-65535,data"] {
            tshark.args(["-d", ports]);
        }
        tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
        for field in frame::FIELDS {
            tshark.args(["-e", field]);
        }
        run(&mut tshark)?
            .lines()
            .map(|line| {
                Frame::parse(line).ok_or_else(|| unexpected("a frame decoded by tshark", line))
            })
            .collect()
    }
}

/// tcpdump's answer to SIGUSR1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    written: u64,
    /// What the kernel had for it, with what it lost.
    received: u64,
    /// For want of room in the kernel's buffer.
    lost: u64,
}

fn statistics(log: &str) -> impl Iterator<Item = Counts> {
    log.lines().filter_map(|line| {
        let mut counts = line
            .strip_prefix("tcpdump: ")?
            .split(", ")
            .map(|part| part.split_once(' '));
        let (written, "packets captured" | "packet captured") = counts.next()?? else {
            return None;
        };
        let (received, _) = counts.next()??;
        let (lost, _) = counts.next()??;
        Some(Counts {
            written: written.parse().ok()?,
            received: received.parse().ok()?,
            lost: lost.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_reports_count() {
        let log = "tcpdump: listening on br0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
                   tcpdump: 12 packets captured, 14 packets received by filter, 0 packets dropped by kernel\n\
                   tcpdump: 1 packet captured, 3 packets received by filter, 2 packets dropped by kernel\n\
                   14 packets captured\n";
        let counts = |written, received, lost| Counts {
            written,
            received,
            lost,
        };
        assert_eq!(
            statistics(log).collect::<Vec<_>>(),
            [counts(12, 14, 0), counts(1, 3, 2)]
        );
    }
}
