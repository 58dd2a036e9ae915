//! Knowledge bases: create, rename, tag, list, delete.

use crate::files::{check_tags, patch_tags};
use crate::kb::Kb;
use crate::page::Listing;
use crate::view::Snapshot;
use crate::{Base, Error, Page, PageRequest, TagFilter, Tags, TagsPatch, records};
use quarry_types::{KbId, Scope, Timestamp};
use std::sync::Arc;

impl Kb {
    /// Makes a knowledge base; names need not be unique.
    ///
    /// # Errors
    /// `Invalid` for an empty name or bad tags.
    pub async fn create_base(&self, scope: &Scope, name: &str, tags: Tags) -> Result<Arc<Base>, Error> {
        check_name(name)?;
        check_tags(&tags)?;
        let now = Timestamp::now();
        let base = Base { id: KbId::mint(now.as_ms()), name: name.to_owned(), tags, created_at: now };
        let key = records::base_key(base.id.as_str());
        self.inner
            .transact(scope, |_, commit| {
                commit.put(&records::kb(), key.clone(), records::encode(&base)?);
                Ok(())
            })
            .await?;
        Ok(Arc::new(base))
    }

    /// Renames a knowledge base and patches its tags.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn update_base(
        &self,
        scope: &Scope,
        id: &str,
        name: &str,
        tags: TagsPatch,
    ) -> Result<Arc<Base>, Error> {
        check_name(name)?;
        let (base, _) = self
            .inner
            .transact(scope, |snapshot, commit| {
                let (old, seq) = find(snapshot, id)?;
                let mut base = Base::clone(old);
                name.clone_into(&mut base.name);
                patch_tags(&mut base.tags, &tags)?;
                let key = records::base_key(id);
                commit.expect_key(&records::kb(), key.clone(), Some(*seq));
                commit.put(&records::kb(), key, records::encode(&base)?);
                Ok(base)
            })
            .await?;
        Ok(Arc::new(base))
    }

    /// Deletes a knowledge base; files tagged with it stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_base(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        self.inner
            .transact(scope, |snapshot, commit| {
                let (_, seq) = find(snapshot, id)?;
                let key = records::base_key(id);
                commit.expect_key(&records::kb(), key.clone(), Some(*seq));
                commit.del(&records::kb(), key);
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Knowledge bases, newest first.
    ///
    /// # Errors
    /// `InvalidQuery` for a foreign page token.
    pub async fn list_bases(
        &self,
        scope: &Scope,
        page: PageRequest,
        tags: TagFilter,
    ) -> Result<Page<Arc<Base>>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let mut bases: Vec<_> = snapshot
            .bases
            .values()
            .filter(|(base, _)| tags.matches(&base.tags))
            .map(|(base, _)| {
                let age = u64::MAX - base.created_at.as_ms().unsigned_abs();
                (format!("{age:020}/{}", base.id), base.clone())
            })
            .collect();
        bases.sort_by(|a, b| a.0.cmp(&b.0));
        Listing::new(scope, &format!("bases {tags:?}")).cut(bases, &page)
    }
}

fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a (Arc<Base>, quarry_store::Seq), Error> {
    snapshot.bases.get(id).ok_or_else(|| Error::NotFound { what: "knowledge base", id: id.to_owned() })
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() || name.chars().count() > 255 {
        return Err(Error::Invalid("name must have 1 to 255 characters".into()));
    }
    Ok(())
}
