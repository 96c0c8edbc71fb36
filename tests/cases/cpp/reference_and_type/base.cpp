std::vector<int> lengths(std::vector<std::string> words);

int widest(std::vector<int> sizes);
