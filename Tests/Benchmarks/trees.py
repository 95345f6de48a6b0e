"""The trees that are measured: the same names, sizes and times for the same seed."""

import os
import random
import tempfile

WORDS = """informe camión factura presupuesto contrato reunión año niño diseño página música fotografía canción recibo
nómina cliente proveedor almacén envío catálogo resumen análisis médico jardín corazón producción estación versión
copia borrador report invoice budget meeting photo holiday summer project proposal draft backup archive server design
review schedule payment manual guide chapter notes mountain river travel kitchen video sketch sample figure""".split()
EXTENSIONS = ("pdf", "pdf", "jpg", "jpg", "png", "txt", "docx", "xlsx", "mp3", "zip", "csv")


def place():
    """Where trees are made: in memory if there is room for a million files, 1 KiB each or so; a disk takes minutes."""
    memory = "/dev/shm"
    if os.path.ismount(memory) and os.access(memory, os.W_OK):
        at = os.statvfs(memory)
        with open("/proc/meminfo") as file:
            available = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:")) * 1024
        if at.f_favail > 1_500_000 and min(available, at.f_bavail * at.f_frsize) > 4 << 30:
            return memory
    return tempfile.gettempdir()


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


def many(path, folders, count):
    """Folders f0000, f0001… of `count` files each; their paths beneath that of the tree."""
    names = [f"f{number:04}" for number in range(folders)]
    for number, name in enumerate(names):
        flat(os.path.join(path, name), count, seed=number)
    return names


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
