//! What an action on one server would do, told before it is done.

use manager::Deed;
use wire::{Key, Preview};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::route::Route;
use crate::v2::servers;
use crate::v2::verb::get;

pub(super) fn routes() -> Vec<Route> {
    // Of the leader: it is who would do it.
    vec![get("v2/instances/{host}/{port}/preview/{action}", preview).at_leader()]
}

async fn preview(api: Api, call: Call) -> Answer {
    let deed: Deed = call.param("action")?.parse().map_err(Error::BadParameter)?;
    let key = servers::named(&api, &call)?;
    let manager::Preview { statements, does, beware, is_dangerous: danger, why_not } =
        api.manager.preview(&key, deed)?;
    Reply::bare(&Preview { instance: Key::from(&key), statements, does, beware, danger, why_not })
}
