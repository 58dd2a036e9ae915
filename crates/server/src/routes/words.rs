//! Questions in plain words about a table, and its selectors.

use crate::app::{Answer, Call};
use crate::body;
use crate::wire::{self, InterpretationBody, SelectorInput, WordsBody};
use serde_json::{Value, json};

/// `POST /v1/quarry/tables/{table}/filter`.
pub(crate) async fn filter(call: Call) -> Answer {
    let (state, scope) = (call.state.clone(), call.scope()?.clone());
    let table = call.matched.param(0).to_owned();
    let words = WordsBody::parse(call.object().await?)?;
    let model = state.llm.as_ref().filter(|_| words.may_ask_model);
    let interpretation = state.tables.interpret(&scope, &table, &words.text, model).await?;
    body::json(&InterpretationBody::from(&interpretation))
}

/// `GET /v1/quarry/tables/{table}/selectors`.
pub(crate) async fn list_selectors(call: Call) -> Answer {
    let selectors = call.state.tables.selectors(call.scope()?, call.matched.param(0)).await?;
    let selectors: Vec<Value> =
        selectors.iter().map(|(name, selector)| wire::selector(name, selector)).collect();
    body::json(&json!({ "selectors": selectors }))
}

/// `GET /v1/quarry/tables/{table}/selectors/{name}`.
pub(crate) async fn get_selector(call: Call) -> Answer {
    let name = call.matched.param(1);
    let selector = call.state.tables.selector(call.scope()?, call.matched.param(0), name).await?;
    body::json(&json!({ "selector": wire::selector(name, &selector) }))
}

/// `PUT /v1/quarry/tables/{table}/selectors/{name}`.
pub(crate) async fn put_selector(call: Call) -> Answer {
    let (state, scope) = (call.state.clone(), call.scope()?.clone());
    let (table, name) = (call.matched.param(0).to_owned(), call.matched.param(1).to_owned());
    let input = SelectorInput::parse(call.object().await?)?;
    let selector = match input.selector.text.clone() {
        None => input.selector,
        Some(text) => {
            let model = state.llm.as_ref().filter(|_| input.may_ask_model);
            let interpretation = state.tables.interpret(&scope, &table, &text, model).await?;
            input.filled(interpretation)?
        }
    };
    state.tables.put_selector(&scope, &table, &name, selector.clone()).await?;
    body::json(&json!({ "selector": wire::selector(&name, &selector) }))
}

/// `DELETE /v1/quarry/tables/{table}/selectors/{name}`.
pub(crate) async fn delete_selector(call: Call) -> Answer {
    call.state.tables.delete_selector(call.scope()?, call.matched.param(0), call.matched.param(1)).await?;
    body::empty()
}
