namespace KestrelEventLoopTransport.Benchmarks.Server;

// With a burst above 0, each datagram is answered by so many of so many bytes; else by itself.
internal sealed record DatagramSettings(string Transport, int Port, int Burst, int Size, bool Offload);
