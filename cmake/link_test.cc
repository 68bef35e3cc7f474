// Linked with one whole room and only the rooms it declares: an undeclared arrow fails to link.
int main() { return 0; }
