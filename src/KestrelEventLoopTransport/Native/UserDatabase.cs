using System.Globalization;
using System.Text;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Looks up the numbers of users and groups (<c>getpwnam(3)</c>, <c>getgrnam(3)</c>), also in sources of NSS such as
/// LDAP.
/// </summary>
internal static unsafe class UserDatabase
{
    // struct passwd and struct group begin with two pointers; the number follows.
    private const int NumberOffset = 16;
    // struct passwd of FreeBSD, the largest, has 80 bytes.
    private const int EntrySize = 128;
    private const int LargestBuffer = 1 << 20;

    /// <summary>The number of a user; null if there is no such user. A number stands for itself.</summary>
    internal static uint? FindUser(string nameOrNumber) => Find(nameOrNumber, &Libc.getpwnam_r);

    /// <summary>The number of a group; null if there is no such group. A number stands for itself.</summary>
    internal static uint? FindGroup(string nameOrNumber) => Find(nameOrNumber, &Libc.getgrnam_r);

    private static uint? Find(string nameOrNumber, delegate*<byte*, byte*, byte*, nuint, byte**, int> find)
    {
        // For chown(2), the largest number means that the owner stays.
        if (uint.TryParse(nameOrNumber, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number != uint.MaxValue)
        {
            return number;
        }

        var entry = stackalloc byte[EntrySize];
        byte* result = null;
        fixed (byte* name = Encoding.UTF8.GetBytes(nameOrNumber + '\0'))
        {
            for (var length = 4096; length <= LargestBuffer; length *= 4)
            {
                fixed (byte* buffer = new byte[length])
                {
                    if (find(name, entry, buffer, (nuint)length, &result) == Errno.ERANGE)
                    {
                        continue;
                    }

                    return result == null ? null : *(uint*)(entry + NumberOffset);
                }
            }
        }

        return null;
    }
}
