namespace KestrelEventLoopTransport.Testing;

/// <summary>What the failing memory pool throws.</summary>
internal sealed class FailingMemoryException() : OutOfMemoryException("The test has no memory for a block.");
