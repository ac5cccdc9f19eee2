//! The manifest of a module: an OCI artifact of one layer, in the layout of the CNCF's "Wasm OCI Artifact" guidance that
//! `wkg` and others write and read. The digest of a module is that of its manifest's bytes.
//!
//! A signature is an annotation of the manifest. It is made over the component alone, as `minisign -S` makes it, so that
//! the file that any other tool pulls can be verified without us; and where a module is copied to, its signature goes too.

use std::collections::BTreeMap;

use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use serde::Serialize;

use super::{COMPONENT_MAX, Digest};
use crate::exit::chain;

/// What `config` has to be.
pub(crate) const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// What the layer has to be.
pub(crate) const LAYER_MEDIA_TYPE: &str = "application/wasm";
/// The annotation that has the text of the `.minisig` file.
const SIGNATURE: &str = "dev.vrrp-host.minisig";
/// Bytes of a manifest. Registries take up to 4 MiB; one with one layer and a signature has one KiB.
const MANIFEST_MAX: usize = 64 << 10;

/// A manifest, of which a module can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// As it is in the registry.
    pub(crate) bytes: Vec<u8>,
    /// That of the component.
    pub(crate) component: Digest,
    /// Bytes of the component.
    pub(crate) size: u64,
    /// The text of a `.minisig` file.
    pub(crate) signature: Option<String>,
}

/// A manifest of something that is no module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    /// Larger than any manifest of a module should be.
    #[error("its manifest has {0} bytes, more than the {MANIFEST_MAX} that are allowed")]
    TooLarge(usize),
    /// Not a manifest, or one of several things.
    #[error("its manifest is not that of a single artifact: {0}")]
    NotOne(String),
    /// An image of something else.
    #[error(
        "it is a {0}, not a module (a config of {CONFIG_MEDIA_TYPE} and a layer of {LAYER_MEDIA_TYPE})"
    )]
    OtherKind(String),
    /// Not one file.
    #[error("it has {0} layers; a module has one")]
    Layers(usize),
    /// Too large to be compiled.
    #[error("the module has {0} bytes, more than the {COMPONENT_MAX} that are allowed")]
    ComponentSize(i64),
    /// A layer with a digest of another kind.
    #[error("the digest of its layer cannot be checked: {0}")]
    Digest(String),
}

impl Manifest {
    /// Reads the bytes of a manifest.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_MAX {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let manifest: OciImageManifest = serde_json::from_slice(&bytes)
            .map_err(|error| ManifestError::NotOne(error.to_string()))?;
        if manifest.config.media_type != CONFIG_MEDIA_TYPE {
            return Err(ManifestError::OtherKind(manifest.config.media_type));
        }
        let [layer] = manifest.layers.as_slice() else {
            return Err(ManifestError::Layers(manifest.layers.len()));
        };
        if layer.media_type != LAYER_MEDIA_TYPE {
            return Err(ManifestError::OtherKind(layer.media_type.clone()));
        }
        let size = u64::try_from(layer.size).ok();
        let Some(size) = size.filter(|size| *size <= COMPONENT_MAX) else {
            return Err(ManifestError::ComponentSize(layer.size));
        };
        let digest = layer.digest.parse();
        let signature = manifest
            .annotations
            .and_then(|mut annotations| annotations.remove(SIGNATURE));
        Ok(Self {
            component: digest.map_err(|error| ManifestError::Digest(chain(&error)))?,
            size,
            signature,
            bytes,
        })
    }

    /// What identifies the module.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// What the config says. Other tools show it; we read nothing of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Component,
}

#[derive(Debug, Serialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// A module that is on its way into a registry.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// What the manifest calls its config.
    pub(crate) config: Vec<u8>,
    /// The component.
    pub(crate) component: Vec<u8>,
    /// The manifest.
    pub(crate) manifest: Manifest,
}

impl Artifact {
    /// The artifact of a component. The same component makes the same artifact, whoever pushes it and when.
    ///
    /// # Errors
    /// When the component is too large to be one.
    pub(crate) fn new(
        component: Vec<u8>,
        (imports, exports): (Vec<String>, Vec<String>),
        signature: Option<String>,
    ) -> Result<Self, ManifestError> {
        let config = WasmConfig {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [Digest::of(&component)],
            component: Component {
                exports,
                imports,
                target: None,
            },
        };
        let json = |error: serde_json::Error| ManifestError::NotOne(error.to_string());
        let config = serde_json::to_vec(&config).map_err(json)?;
        let config = Config::new(config, CONFIG_MEDIA_TYPE.to_owned(), None);
        let layer = ImageLayer::new(component, LAYER_MEDIA_TYPE.to_owned(), None);
        let annotations =
            signature.map(|signature| BTreeMap::from([(SIGNATURE.to_owned(), signature)]));
        let layers = [layer];
        let mut manifest = OciImageManifest::build(&layers, &config, annotations);
        manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
        let [layer] = layers;
        Ok(Self {
            config: config.data.into(),
            component: layer.data.into(),
            manifest: Manifest::parse(serde_json::to_vec(&manifest).map_err(json)?)?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::store) fn artifact(component: &[u8], signature: Option<&str>) -> Artifact {
        let names = (vec!["wasi:io/poll@0.2.6".to_owned()], Vec::new());
        Artifact::new(component.to_vec(), names, signature.map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_module_has_the_layout_that_other_tools_read() {
        let artifact = artifact(b"component", Some("signature"));
        let manifest: Value = serde_json::from_slice(&artifact.manifest.bytes).unwrap();
        let component = Digest::of(b"component");
        let config: Value = serde_json::from_slice(&artifact.config).unwrap();
        assert_eq!(
            manifest,
            json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.wasm.config.v0+json",
                    "digest": Digest::of(&artifact.config),
                    "size": artifact.config.len(),
                },
                "layers": [{
                    "mediaType": "application/wasm",
                    "digest": component,
                    "size": 9,
                }],
                "annotations": { "dev.vrrp-host.minisig": "signature" },
            })
        );
        assert_eq!(config["architecture"], "wasm");
        assert_eq!(config["os"], "wasip2");
        assert_eq!(config["layerDigests"], json!([component]));
        assert_eq!(
            config["component"]["imports"],
            json!(["wasi:io/poll@0.2.6"])
        );
    }

    #[test]
    fn the_same_component_is_the_same_module() {
        let [one, other] = [(); 2].map(|()| artifact(b"component", None).manifest);
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.component, Digest::of(b"component"));
        assert_eq!(one.size, 9);
        assert_eq!(one.signature, None);
        let signed = artifact(b"component", Some("signature")).manifest;
        assert_ne!(one.digest(), signed.digest());
        assert_eq!(signed.signature.as_deref(), Some("signature"));
    }

    #[test]
    fn what_is_no_module_is_told() {
        let good: Value =
            serde_json::from_slice(&artifact(b"component", None).manifest.bytes).unwrap();
        let changed = |pointer: &str, value: Value| {
            let mut manifest = good.clone();
            *manifest.pointer_mut(pointer).unwrap() = value;
            Manifest::parse(serde_json::to_vec(&manifest).unwrap())
        };
        assert!(changed("/schemaVersion", json!(2)).is_ok());
        let image = "application/vnd.oci.image.config.v1+json";
        for (pointer, value, problem) in [
            ("/config/mediaType", json!(image), image),
            (
                "/layers/0/mediaType",
                json!("text/plain"),
                "it is a text/plain",
            ),
            ("/layers", json!([]), "it has 0 layers"),
            ("/layers/0/size", json!(33 << 20), "more than the 33554432"),
            ("/layers/0/size", json!(-1), "the module has -1 bytes"),
            ("/layers/0/digest", json!("sha512:12"), "`sha512:12` is not"),
        ] {
            let error = changed(pointer, value).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        for (text, problem) in [
            ("", "not that of a single artifact"),
            ("{\"schemaVersion\":2,\"manifests\":[]}", "missing field"),
            (&" ".repeat(MANIFEST_MAX + 1), "65537 bytes"),
        ] {
            let error = Manifest::parse(text.into()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
