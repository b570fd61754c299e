use cloudapp_domain::Failure;

use crate::Page;
use crate::execution::{Execution, Step};
use crate::instance::Instance;

/// What may hold technical details of a failure: AWS's own words, which can name roles and keys. They are the admins';
/// everybody has the sentence, who can fix it, and the next step.
pub trait Technical {
    /// The same for those who are no admins.
    #[must_use]
    fn without_technical_details(self) -> Self;
}

impl Technical for Failure {
    fn without_technical_details(self) -> Self {
        self.without_detail()
    }
}

impl Technical for Execution {
    fn without_technical_details(self) -> Self {
        let steps = self.steps.into_iter();
        Self {
            steps: steps
                .map(|step| Step { obstacle: step.obstacle.without_technical_details(), ..step })
                .collect(),
            failure: self.failure.without_technical_details(),
            ..self
        }
    }
}

impl Technical for Instance {
    fn without_technical_details(self) -> Self {
        Self { failure: self.failure.without_technical_details(), ..self }
    }
}

impl<T: Technical> Technical for Option<T> {
    fn without_technical_details(self) -> Self {
        self.map(T::without_technical_details)
    }
}

impl<T: Technical> Technical for Page<T> {
    fn without_technical_details(self) -> Self {
        Self { items: self.items.into_iter().map(T::without_technical_details).collect(), ..self }
    }
}
