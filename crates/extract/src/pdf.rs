//! stub
use crate::document::Builder;
use crate::protocol::Progress;
use crate::{Error, limits::Limits};
pub(crate) fn extract(
    _bytes: &[u8],
    _limits: &Limits,
    _builder: &mut Builder,
    _p: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    Ok(())
}
pub(crate) fn load_library(_limits: &Limits) {}
