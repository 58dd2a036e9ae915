//! Knowledge bases.

use crate::app::{Answer, Call};
use crate::body;
use crate::wire::{BaseBody, Fields, Meta, base_tags, base_tags_patch};
use serde_json::json;

/// `createKnowledgeBase`.
pub(crate) async fn create(call: Call) -> Answer {
    let (kb, scope) = (call.state.kb.clone(), call.scope()?.clone());
    let mut fields = Fields::new(call.object().await?);
    let (name, tags) = (fields.required_text("name")?, base_tags(&mut fields)?);
    let base = kb.create_base(&scope, &name, tags).await?;
    body::json(&json!({ "knowledgeBase": BaseBody::single(&base) }))
}

/// `listKnowledgeBases`.
pub(crate) async fn list(call: Call) -> Answer {
    let (page, tags) = (call.query.page(1_000)?, call.query.tags("tags")?);
    let page = call.state.kb.list_bases(call.scope()?, page, tags).await?;
    let bases: Vec<BaseBody> = page.items.iter().map(|base| BaseBody::listed(base)).collect();
    body::json(&json!({ "knowledgeBases": bases, "meta": Meta { next_token: page.next } }))
}

/// `updateKnowledgeBase`.
pub(crate) async fn update(call: Call) -> Answer {
    let (kb, scope, id) = (call.state.kb.clone(), call.scope()?.clone(), call.matched.param(0).to_owned());
    let mut fields = Fields::new(call.object().await?);
    let (name, tags) = (fields.required_text("name")?, base_tags_patch(&mut fields)?);
    let base = kb.update_base(&scope, &id, &name, tags).await?;
    body::json(&json!({ "knowledgeBase": BaseBody::single(&base) }))
}

/// `deleteKnowledgeBase`; its files stay.
pub(crate) async fn delete(call: Call) -> Answer {
    call.state.kb.delete_base(call.scope()?, call.matched.param(0)).await?;
    body::empty()
}
