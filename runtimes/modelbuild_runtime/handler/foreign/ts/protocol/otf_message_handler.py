"""Where ``send_intermediate_predict_response`` was before."""

from ..handler_utils.utils import send_intermediate_predict_response  # noqa: TID252  # ts may be another's

__all__ = ["send_intermediate_predict_response"]
