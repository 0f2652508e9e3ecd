namespace KestrelEventLoopTransport.Benchmarks.Loads;

internal enum GrpcShape
{
    // One call after the other.
    Unary,

    // Calls that are answered with a hundred messages each.
    ServerStream,

    // One call for the whole window; each message is sent when the one before has come back.
    Duplex,
}
