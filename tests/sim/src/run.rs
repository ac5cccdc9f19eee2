//! One seed.

use crate::marks::Marks;
use crate::plan::Plan;
use crate::rig::Rig;
use crate::settled;
use crate::world::{Violation, World};

/// Runs a seed, and returns what happened in it.
///
/// # Errors
/// The first broken promise.
pub fn simulate(seed: u64, rig: Rig) -> Result<Marks, Violation> {
    let mut world = World::new(Plan::draw(seed), rig);
    play(&mut world)?;
    Ok(world.marks)
}

/// A run, told as a story.
#[derive(Debug)]
pub struct Told {
    /// The world.
    pub plan: Plan,
    /// What happened, one line for each event.
    pub timeline: String,
    /// How it ended; the words of the panic when it did not return.
    pub result: Result<(), String>,
}

/// Runs a seed and tells what happens.
pub fn tell(seed: u64, rig: Rig) -> Told {
    let plan = Plan::draw(seed);
    let mut world = World::new(plan.clone(), rig);
    world.keep_timeline();
    let result = crate::runner::catch(|| play(&mut world));
    Told {
        plan,
        timeline: world.into_timeline(),
        result,
    }
}

fn play(world: &mut World) -> Result<(), Violation> {
    world.begin();
    world.run(world.plan.unrest)?;
    settled::check(world)
}
