"""The trees that are measured: the same names, sizes and times for the same seed."""

import os
import random

WORDS = """informe camión factura presupuesto contrato reunión año niño diseño página música fotografía canción recibo
nómina cliente proveedor almacén envío catálogo resumen análisis médico jardín corazón producción estación versión
copia borrador report invoice budget meeting photo holiday summer project proposal draft backup archive server design
review schedule payment manual guide chapter notes mountain river travel kitchen video sketch sample figure""".split()
EXTENSIONS = ("pdf", "pdf", "jpg", "jpg", "png", "txt", "docx", "xlsx", "mp3", "zip", "csv")


def flat(path, count, seed=1):
    """One folder of files with sizes and times."""
    dice = random.Random(f"flat {seed}")
    os.makedirs(path)
    for serial in range(count):
        name = os.path.join(path, _file(dice, serial))
        with open(name, "wb") as file:
            file.truncate(int(2 ** dice.uniform(0, 28)))  # A hole: takes no room.
        time = dice.randrange(10**18, 1_760_000_000 * 10**9)
        os.utime(name, ns=(time, time))


def nested(path, files, folders, seed=1):
    """Empty files in folders up to eight deep."""
    dice = random.Random(f"nested {seed}")
    os.makedirs(path)
    paths = [path]
    for serial in range(folders):
        parent = dice.choice(paths)
        if parent.count("/") - path.count("/") >= 7:
            parent = path
        paths.append(os.path.join(parent, f"{dice.choice(WORDS)}_{serial}"))
        os.mkdir(paths[-1])
    for serial in range(files):
        os.mknod(os.path.join(dice.choice(paths), _file(dice, serial)))


def _file(dice, serial):
    """A name such as `Factura_camión_2021-03-14_00042.pdf`; the serial makes it unique."""
    words = dice.choices(WORDS, k=dice.choice((1, 2, 2, 3)))
    if dice.random() < 0.3:
        words = [word.capitalize() for word in words]
    if dice.random() < 0.4:
        words.append(f"{dice.randint(2005, 2026)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}")
    separator = dice.choice("__- ")
    return separator.join([*words, f"{serial:05}"]) + "." + dice.choice(EXTENSIONS)
