using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Polling;

/// <summary>
/// Reports which descriptors have become ready since the last wait, and does nothing else. Descriptors are registered
/// once, edge-triggered: for input, and for output only when there is output to wait for. An event carries the token
/// that was given at registration.
/// </summary>
/// <remarks>
/// One thread waits and reads events. <see cref="Add"/>, <see cref="TryAddWritable"/>, <see cref="Forget"/>,
/// <see cref="Remove"/> and <see cref="Wake"/> may be called by any thread at any time.
/// </remarks>
internal abstract class Poller : IDisposable
{
    /// <summary>The token of a wake-up. No descriptor may be registered with it.</summary>
    internal const ulong WakeToken = 0;

    /// <summary>
    /// The environment variable that chooses a poller, <c>epoll</c> or <c>kqueue</c>, instead of the system's own. It
    /// shows whether a fault lies in the poller. Linux has no kqueue; the tests bring one.
    /// </summary>
    internal const string Variable = "KESTREL_EVENTLOOP_POLLER";

    private static readonly string _choice = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } asked
        ? asked
        : OperatingSystem.IsLinux() ? "epoll" : "kqueue";

    /// <summary>The poller in use: <c>epoll</c> or <c>kqueue</c>.</summary>
    internal static string Name => _choice;

    /// <summary>
    /// Whether <see cref="PollEvents.Urgent"/> is reported. Where it is not, a short receive does not prove that the
    /// socket is empty: it may have stopped at the mark of urgent data, and no further edge comes for the bytes behind
    /// it.
    /// </summary>
    internal static readonly bool ReportsUrgentData = _choice == "epoll";

    /// <summary>
    /// Whether <see cref="PollEvents.HangUp"/> is reported. Where it is not, <c>poll(2)</c> has to be asked.
    /// </summary>
    internal static readonly bool ReportsHangUp = ReportsUrgentData;

    internal static bool IsSupported
        => (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() || OperatingSystem.IsFreeBSD())
            && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    internal static Poller Create() => _choice switch
    {
        _ when !IsSupported => throw new PlatformNotSupportedException(
            "The event-loop transport needs Linux, macOS or FreeBSD on x64 or arm64."),
        "kqueue" => new KqueuePoller(),
        "epoll" when OperatingSystem.IsLinux() => new EpollPoller(),
        "epoll" => throw new PlatformNotSupportedException($"{Variable} is 'epoll', which only Linux has."),
        _ => throw new InvalidOperationException($"{Variable} is '{_choice}'. Allowed are 'epoll' and 'kqueue'."),
    };

    /// <summary>
    /// Registers a descriptor for its whole life. All events are reported but <see cref="PollEvents.Writable"/>, which
    /// a new socket would report at once, and most sockets never wait for.
    /// </summary>
    internal abstract void Add(int fd, ulong token);

    /// <summary>
    /// Registers a socket that is connecting: also <see cref="PollEvents.Writable"/> is reported, which is how it says
    /// that it is connected or has failed.
    /// </summary>
    internal abstract void AddConnecting(int fd, ulong token);

    /// <summary>
    /// The socket is connected: it is registered as by <see cref="Add"/> from now on. What is there to receive is
    /// reported once more, as its edge may have gone to the one that was connecting.
    /// </summary>
    internal abstract void EndConnecting(int fd, ulong token);

    /// <summary>
    /// Reports from now on when a registered descriptor becomes writable, and now if it is. The caller makes sure that
    /// the descriptor stays open during the call. False when the kernel refuses: the caller tries again later.
    /// </summary>
    internal abstract bool TryAddWritable(int fd, ulong token);

    /// <summary>
    /// Drops what has been registered and has not reached the kernel. Must be called before the descriptor is closed,
    /// because its number may belong to another file a moment later.
    /// </summary>
    internal virtual void Forget(ulong token)
    {
    }

    /// <summary>
    /// Ends a registration. Closing the last descriptor of a socket does the same, so only a socket that stays open
    /// through another descriptor needs this call.
    /// </summary>
    internal abstract void Remove(int fd);

    /// <summary>Waits for events. Returns how many there are; 0 after the timeout or an interruption.</summary>
    /// <param name="timeoutMilliseconds">-1 waits for ever, 0 does not wait.</param>
    internal abstract int Wait(int timeoutMilliseconds);

    /// <summary>Waits for events, for a time that may be shorter than a millisecond.</summary>
    internal abstract int Wait(TimeSpan timeout);

    /// <summary>Reads event number <paramref name="index"/> of the last wait.</summary>
    internal abstract PollEvents GetEvent(int index, out ulong token);

    /// <summary>Whether a wait would return at once. Any thread may ask.</summary>
    internal abstract bool HasEvents();

    /// <summary>Ends the current wait, or the next one, with an event that carries <see cref="WakeToken"/>.</summary>
    internal abstract void Wake();

    public abstract void Dispose();
}
