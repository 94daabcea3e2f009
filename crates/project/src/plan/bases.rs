//! Which images an image is built upon, as far as its Dockerfile alone tells.

use dockerfile::Dockerfile;
use graph::{BaseOrigin, Plan, Request, ResolvedBases};

use super::PlannedImage;

impl PlannedImage {
    /// The names of the images that the build begins from, with the build's arguments in place.
    ///
    /// # Errors
    /// When the Dockerfile does not plan.
    pub fn bases(&self, file: &Dockerfile) -> Result<Vec<String>, graph::Error> {
        let mut bases = Vec::new();
        for platform in &self.platforms {
            let build_args = self.arguments.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
            let request = Request { build_args, platform_is_explicit: true, ..Request::new(platform.clone()) };
            let Plan::Needs(needs) = graph::plan(file, &request, &ResolvedBases::default())? else { continue };
            for need in needs {
                if let BaseOrigin::Image(reference) = need.origin
                    && !bases.contains(&reference.to_string())
                {
                    bases.push(reference.to_string());
                }
            }
        }
        Ok(bases)
    }
}
