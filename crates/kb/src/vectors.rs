//! Stored vectors: half precision, named by the hash of the embedded text, so that unchanged text
//! is never embedded twice and rebuilding an index never embeds at all.

use crate::Error;
use crate::records::TextHash;
use bytes::Bytes;
use half::f16;
use quarry_store::{Coll, RecordStore};
use quarry_types::BotId;

/// Little-endian binary16, two bytes a dimension.
pub(crate) fn encode(vector: &[f32]) -> Bytes {
    vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect::<Vec<u8>>().into()
}

pub(crate) fn decode(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect()
}

/// The stored vectors of some texts, in their order.
pub(crate) async fn fetch(
    store: &dyn RecordStore,
    bot: &BotId,
    coll: &Coll,
    hashes: &[TextHash],
) -> Result<Vec<Option<Vec<f32>>>, Error> {
    let keys: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
    let records = store.get(bot, coll, &keys).await?;
    Ok(records.into_iter().map(|record| record.map(|record| decode(&record.value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_keeps_direction() {
        let vector: Vec<f32> = (0..384_u16).map(|i| (f32::from(i) * 0.37).sin() / 14.0).collect();
        let back = decode(&encode(&vector));
        assert_eq!(back.len(), 384);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let cosine = dot(&vector, &back) / (dot(&vector, &vector) * dot(&back, &back)).sqrt();
        assert!(cosine > 0.99999, "{cosine}");
    }
}
