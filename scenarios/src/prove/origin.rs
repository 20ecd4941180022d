//! The origin: a version of each object, and requests for them that take their time.

use super::entry::{Body, Response, freshness};
use super::fill::Reply;
use super::url::{self, Key};
use super::world::{Done, Step, TaskId, World};

/// The ground truth.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) versions: [u64; 3],
    pub(super) retagged: [u64; 3],
    pub(super) down_until: Step,
}

/// A request on its way to the origin, and its answer on the way back.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) key: Key,
    pub(super) sent: Step,
    /// The version whose validator was sent.
    pub(super) validator: Option<u64>,
    pub(super) reply_to: (TaskId, u32),
    pub(super) answer: Option<Result<Response, ()>>,
}

impl Exchange {
    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        if let Some(answer) = self.answer.take() {
            world.reply(self.reply_to, Reply { answer, position: None, from_origin: true, is_vouched: true });
            return Done::Yes;
        }
        if world.now < world.origin.down_until {
            self.answer = Some(Err(()));
            return Done::No;
        }
        let version = world.origin.versions[self.key];
        let lifetime = 20 + world.roll(id, 200) * if world.roll(id, 3) == 0 { 10 } else { 1 };
        self.answer = Some(Ok(Response {
            body: Body { version, obtained: self.sent },
            tags: url::tags(self.key, version, world.origin.retagged[self.key]),
            freshness: freshness(world.time(), lifetime),
            not_modified: self.validator == Some(version),
        }));
        world.note(id, "origin", || format!("reads version {version} of {}", self.key));
        Done::No
    }
}
