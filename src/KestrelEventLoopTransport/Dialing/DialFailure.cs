using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>Makes the exception of a dial that has failed.</summary>
internal static class DialFailure
{
    /// <summary>The key in <see cref="Exception.Data"/> under which the exceptions of all attempts are.</summary>
    internal const string AttemptsKey = "KestrelEventLoopTransport.Attempts";

    /// <summary>
    /// What the dial fails with: a <see cref="SocketException"/> with the error of the first attempt, or with
    /// <see cref="SocketError.TimedOut"/> if one was still going on, and a message that names every attempt. An
    /// <see cref="IOException"/> if the hook threw at the first one.
    /// </summary>
    internal static Exception Create(EndPoint target, DialState state)
    {
        var attempts = state.Attempts;
        if (attempts.Count == 0)
        {
            return state.Unresolved.Count > 0
                ? Unresolved(target, state.Unresolved)
                : TimedOut(target, "the name was not resolved in time");
        }

        var tried = string.Join("; ", attempts.Select(
            static attempt => $"{attempt.EndPoint}: {attempt.Error?.Message ?? "no answer in time"}"));
        var failed = attempts.Select(static attempt => attempt.Error).OfType<Exception>().ToArray();
        Exception result = failed.Length < attempts.Count
            ? TimedOut(target, tried)
            : failed[0] is SocketException first
                ? new SocketException((int)first.SocketErrorCode, $"Cannot connect to {Name(target)}. {tried}")
                : new IOException($"Cannot connect to {Name(target)}. {tried}", failed[0]);
        result.Data[AttemptsKey] = failed;
        return result;
    }

    /// <summary>How messages call what was dialed.</summary>
    internal static string Name(EndPoint target)
        => target is DnsEndPoint name ? $"{name.Host}:{name.Port}" : $"{target}";

    private static SocketException TimedOut(EndPoint target, string details)
        => new((int)SocketError.TimedOut, $"Cannot connect to {Name(target)} within ConnectTimeout. {details}");

    /// <summary>
    /// A failure that may pass is worth more than "no such name", and that is worth more than "no such address", which
    /// one family alone may give.
    /// </summary>
    private static Exception Unresolved(EndPoint target, IReadOnlyList<Exception> errors)
    {
        var errorCodes = errors.OfType<SocketException>().ToArray();
        if (errorCodes.Length == 0)
        {
            return new IOException($"Cannot resolve {Name(target)}. {errors[0].Message}", errors[0]);
        }

        var chosen = Array.Find(errorCodes, static error => error.SocketErrorCode == SocketError.TryAgain)
            ?? Array.Find(errorCodes, static error => error.SocketErrorCode == SocketError.HostNotFound)
            ?? errorCodes[^1];
        return new SocketException((int)chosen.SocketErrorCode, $"Cannot resolve {Name(target)}. {chosen.Message}");
    }
}
