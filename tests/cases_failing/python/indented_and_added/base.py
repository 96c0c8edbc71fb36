def load(path, read, parse, check, lock):
    data = read(path)
    return parse(data)
