# /// script
# dependencies = ["pillow>=10"]
# ///
"""Handwritten digits: a client uploads a picture of any size, the model takes 8 by 8 grey values."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


@dataclass
class Upload:
    image: bytes

    def __post_init__(self) -> None:
        """What is refused here is the client's mistake, and the server tells the client so in these words."""
        try:
            self.picture = Image.open(BytesIO(self.image)).convert("L")
        except (OSError, Image.DecompressionBombError) as error:
            raise ValueError(f"image is no picture: {error}") from error


@dataclass
class Digit:
    digit: int
    confidence: float


def preprocess(upload: Upload) -> np.ndarray:
    picture = upload.picture
    if np.mean(picture) > 127:  # dark ink on white paper; the model knows light strokes on black
        picture = ImageOps.invert(picture)
    pixels = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), np.float32)
    return pixels.ravel() / 255 * 16


def postprocess(outputs: dict) -> Digit:
    probabilities = outputs["probabilities"]
    digit = int(probabilities.argmax())
    return Digit(digit, confidence=round(float(probabilities[digit]), 4))
