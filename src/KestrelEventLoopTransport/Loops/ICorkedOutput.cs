namespace KestrelEventLoopTransport.Loops;

/// <summary>The output of a connection that waits for the end of application code.</summary>
internal interface ICorkedOutput
{
    /// <summary>
    /// Sends what waits, if anything does. Runs no application code. May be called from any thread, any number of
    /// times.
    /// </summary>
    void Uncork();
}
