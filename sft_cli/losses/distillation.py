"""Knowledge distillation from a teacher's logits."""

from __future__ import annotations

from torch import Tensor


def forward_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ student) of the two softmaxes at a temperature: (M,) in nats, not multiplied by T².

    student, teacher: logits (M, V), float. 0 where they are equal.
    Source: Hinton et al. 2015, section 2; equals torch.nn.functional.kl_div(log_q, log_p, log_target=True).
    """
    log_student = (student / temperature).log_softmax(-1)
    log_teacher = (teacher / temperature).log_softmax(-1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
